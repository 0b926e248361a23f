"""What a check found, and what fixes it: the common language of `connect` and `doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"  # as it should be
    FIXED = "fixed"  # was not, and has been changed just now
    WARNING = "warning"  # works, but not as well as it could
    ERROR = "error"  # annotators do not get the recommended order, or labels do not arrive


@dataclass(frozen=True)
class Finding:
    """One thing that was checked:
    what was found, and the command or click that fixes it ("" where nothing is to be done)."""

    subject: str  # config, backend, webhook, sampling, tab, annotations
    severity: Severity
    text: str
    remedy: str = ""
