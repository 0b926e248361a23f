"""How well masks agreed with the labels that were drawn over them."""

from __future__ import annotations

from backend.project.live_quality import Agreement


def agreement(
    dice: float, seconds: float | None = 120.0, annotator: str = "ada@lab.org", *, shown: bool = True
) -> Agreement:
    time = "2026-11-29T09:00:00Z"
    return Agreement(4, 1, time, "", "v1.r1", "v1", dice, seconds, annotator, shown=shown)
