"""Whether the masks save time: minutes a label, by how much of the mask was changed, and by annotator."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from backend.project.live_quality import Agreement

GOOD_MASK = 0.9
"""Dice of the mask shown and the label submitted from which on little was changed."""
FEWEST = 5
"""Labels of each kind below which nothing is said of their times."""
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
    """What the labels tell of time; empty sentences where there are too few."""

    text: str  # minutes with good masks against those with others
    unchanged: str  # that masks are submitted as they are drawn, which needs a look
    annotators: tuple[AnnotatorTime, ...]  # the most labels first


def summarise_time(agreements: Sequence[Agreement]) -> TimeSpent | None:
    """Weigh the labels that showed a mask, the first submitted first; None before there is one.

    Times are medians: a task that stays open over lunch would decide a mean.
    """
    if not agreements:
        return None
    return TimeSpent(
        _compare_times(agreements), _point_out_unchanged(agreements[-RECENT:]), _by_annotator(agreements)
    )


def _compare_times(agreements: Sequence[Agreement]) -> str:
    good, poor = (
        [each.seconds for each in agreements if each.seconds and (each.dice >= GOOD_MASK) is wanted]
        for wanted in (True, False)
    )
    known = [*good, *poor]
    if len(known) < FEWEST:
        return ""
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
