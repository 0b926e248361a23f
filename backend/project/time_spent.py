"""Whether the masks save time: minutes a label, by how much of the mask was changed, by annotator, and
against images that are shown without a mask."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from backend.project.live_quality import Agreement

GOOD_MASK = 0.9
"""Dice of the mask shown and the label submitted from which on little was changed."""
FEWEST = 5
"""Labels of each kind below which nothing is said of their times."""
LEVEL = 0.1
"""Share of the time below which a difference between two medians is none."""
RECENT = 10
MANY_UNCHANGED = 0.5
"""Share of the last labels from which on submitting masks unchanged is pointed out."""
FEWEST_RECENT = 4


@dataclass(frozen=True)
class AnnotatorTime:
    """The labels of one person that showed a mask."""

    name: str
    labels: int
    minutes: float | None  # median; None where no time is known
    unchanged: float  # share submitted as drawn, in [0, 1]


@dataclass(frozen=True)
class TimeSpent:
    """What the labels tell of time."""

    text: str  # minutes with good masks against those with others, or how many labels are missing for it
    comparison: str  # minutes with a mask against those without; empty where no image is shown without
    unchanged: str  # that masks are submitted as they are drawn, which needs a look
    annotators: tuple[AnnotatorTime, ...]  # the most labels first


def summarise_time(agreements: Sequence[Agreement], unmasked_share: float = 0.0) -> TimeSpent:
    """Weigh the labels, the first submitted first; `unmasked_share` of the images are shown without a mask.

    Times are medians: a task that stays open over lunch would decide a mean.
    """
    shown = [each for each in agreements if each.shown]
    return TimeSpent(
        _compare_times(shown),
        compare_with_none(agreements) if unmasked_share or len(shown) < len(agreements) else "",
        _point_out_unchanged(shown[-RECENT:]),
        _by_annotator(shown),
    )


def compare_with_none(agreements: Sequence[Agreement]) -> str:
    """Labels of images that showed a mask against those of images that showed none, in one sentence.

    Only labels since the first one without a mask count: before it the model was worse, and the annotators
    were new to the task.
    """
    first = min((each.time for each in agreements if not each.shown), default=None)
    since = [each for each in agreements if first is not None and each.time >= first and each.seconds]
    masked, bare = ([each.seconds or 0.0 for each in since if each.shown is shown] for shown in (True, False))
    missing = [max(0, FEWEST - len(each)) for each in (masked, bare)]
    if any(missing):
        return (
            "Minutes with and without a mask are compared from the first image on that is shown without one:"
            f" that takes {missing[0]} more labels of images with a mask, and {missing[1]} more of images"
            " without."
        )
    with_one, without = statistics.median(masked), statistics.median(bare)
    if abs(without - with_one) < LEVEL * max(with_one, without):
        told = "the masks make little difference so far"
    elif with_one < without:
        told = f"the masks save {1 - with_one / without:.0%} of the time"
    else:
        told = "the masks save no time so far"
    return (
        f"A label takes {duration(with_one)} with a mask ({len(masked)} labels) and {duration(without)}"
        f" without one ({len(bare)}): {told}."
    )


def _compare_times(agreements: Sequence[Agreement]) -> str:
    good, poor = (
        [each.seconds for each in agreements if each.seconds and (each.dice >= GOOD_MASK) is wanted]
        for wanted in (True, False)
    )
    known = [*good, *poor]
    if len(known) < FEWEST:
        missing = FEWEST - len(known)
        return (
            f"That is told after {missing} more label{'' if missing == 1 else 's'} of images that show a"
            " mask, from the time that they are open in Label Studio."
        )
    told = f"A label takes {duration(statistics.median(known))} (median of {len(known)})"
    if min(len(good), len(poor)) < FEWEST:
        return f"{told}."
    return (
        f"{told}: {duration(statistics.median(good))} where the mask needed little"
        f" correction (dice {GOOD_MASK} or more, {len(good)} labels),"
        f" {duration(statistics.median(poor))} where it needed much ({len(poor)})."
    )


def _point_out_unchanged(recent: Sequence[Agreement]) -> str:
    unchanged = sum(each.unchanged for each in recent)
    if len(recent) < FEWEST_RECENT or unchanged < MANY_UNCHANGED * len(recent):
        return ""
    return (
        f"{unchanged} of the last {len(recent)} masks were submitted unchanged. If they are right, good;"
        " if nobody looked closely, the model learns its own errors: look at a few of them."
    )


def _by_annotator(agreements: Sequence[Agreement]) -> tuple[AnnotatorTime, ...]:
    names = {each.annotator for each in agreements if each.annotator}
    found = []
    for name in names:
        own = [each for each in agreements if each.annotator == name]
        seconds = [each.seconds for each in own if each.seconds]
        found.append(
            AnnotatorTime(
                name,
                len(own),
                statistics.median(seconds) / 60 if seconds else None,
                sum(each.unchanged for each in own) / len(own),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.labels, each.name)))


def duration(seconds: float | None) -> str:
    """Seconds in words, roughly; empty for None."""
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
