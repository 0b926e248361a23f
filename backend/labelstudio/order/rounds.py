"""What the predictions of a round are called, and what one of them holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backend.labelstudio.http.answers import Region

Regions = Sequence[Region]


@dataclass(frozen=True)
class Priority:
    """The place of a task (lowest score first, in (0, 1)) and the mask drawn on it; `regions` None:
    none yet."""

    task_id: int
    score: float
    regions: Regions | None = None


def is_round(version: str) -> bool:
    """Tell whether a prediction's version is the name of one of our rounds, such as "v7.r3";
    others are never deleted."""
    return re.fullmatch(r"v\d+\.r\d+", version) is not None


def round_number(version: str) -> int:
    """3 of "v7.r3": a later order has a larger number. Raises ValueError for a version that is no round's."""
    return int(version.rpartition(".r")[2])


def order_title(version: str) -> str:
    """What people call a round's order: "order 3 (model 7)" of "v7.r3", "order 1" of one without a model.
    Any other text stays as it is."""
    if not is_round(version):
        return version
    model, _, number = version.removeprefix("v").partition(".r")
    return f"order {int(number)}" + (f" (model {int(model)})" if int(model) else "")
