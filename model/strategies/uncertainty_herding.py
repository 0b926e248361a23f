"""Herding by what is least trusted, under the name of its paper, to be compared with plain herding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from model.strategies.herding import REVERSE_ACCURACY, Herding


@dataclass(frozen=True)
class UncertaintyHerding(Herding):
    """Herding in which an image counts the more, the less its mask can be trusted (UHerding)."""

    name: ClassVar[str] = "uherding"
    asks_for: ClassVar[str] = "as herding does, but rather images whose masks the model seems to draw wrongly"
    uncertainty: str = REVERSE_ACCURACY
