"""Connecting a project: everything Label Studio must be told so that annotators are served the recommended order. Safe to repeat."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backend.labelstudio.client import LabelStudio

BasicAuth = tuple[str, str]
TAB_TITLE = "Recommended order"
UNCERTAINTY = "Uncertainty sampling"


class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"  # as it should be
    MENDED = "mended"  # was not, and has been changed just now
    WARNING = "warning"  # works, but not as well as it could
    ERROR = "error"  # annotators do not get the recommended order, or labels do not arrive


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: what was found, and the command or click that mends it ("" where nothing is to be done)."""

    subject: str  # backend, webhook, sampling, tab, annotations, config
    severity: Severity
    text: str
    remedy: str = ""


def check(client: LabelStudio, project_id: int, backend_url: str, basic_auth: BasicAuth | None) -> list[Finding]:
    """Look at everything `configure` sets, and change nothing."""
    raise NotImplementedError


def configure(client: LabelStudio, project_id: int, backend_url: str, basic_auth: BasicAuth | None) -> list[Finding]:
    """Connect and configure a project; what is right already stays untouched, so it can be repeated, also after connecting by hand.

    The ML backend with its Basic auth; one webhook to `backend_url`/webhook with an Authorization header in place of the bare one that
    Label Studio makes; "Uncertainty sampling"; a tab in the recommended order; a warning for maximum_annotations above 1. `backend_url` is
    the address at which Label Studio reaches the backend. Raises ConfigError, ApiKeyError, UnknownProjectError, UnreachableError.
    """
    raise NotImplementedError
