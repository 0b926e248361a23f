"""What dice is good enough on a project, in words: there is no figure that holds for all images."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from backend.project.live_quality import Agreement

LEGEND = (
    ("0.95 or more", "the outlines differ by about a pixel"),
    ("about 0.9", "as alike as two people who draw the same large object by hand"),
    ("about 0.8", "the objects are found, and their outlines need correcting; thin objects: as two people"),
    ("below 0.7", "parts are missing, or something else is marked"),
)
"""What a dice looks like. One pixel of outline costs a small or thin object far more than a large one."""
RECENT = 10


def describe_good_enough(held_out: float | None, agreements: Sequence[Agreement]) -> str:
    """What the figures mean here: the model's `held_out` dice, and how much annotators still change of the
    masks that they are shown; `agreements` of images that showed one, the first submitted first."""
    recent = [each for each in agreements if each.unchanged or each.changed][-RECENT:]
    model = (
        f"Here the model reaches {held_out:.2f} on images that it has not seen."
        if held_out is not None
        else "Here the model is not measured yet."
    )
    if not recent:
        return f"{model} How much people change of its masks is told after the first labels."
    same = sum(each.unchanged for each in recent)
    changed = [each.dice for each in recent if each.changed]
    parts = [f"{same} of the last {len(recent)} masks were submitted as they were drawn (1.00)"]
    if changed:
        parts.append(f"the others were changed to a dice of {statistics.median(changed):.2f} (median)")
    return (
        f"{model} {' and '.join(parts)}. Let a colleague correct some of the same images: when two people"
        " differ by as much, it is good enough."
    )
