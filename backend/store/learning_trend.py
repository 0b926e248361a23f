"""Whether the model is getting better, in one sentence:
the version in use against those used before it, on the same held-out images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from backend.errors import VersionError
from backend.store.version_comparison import common_tasks, figures, incomparable, on_tasks
from backend.store.version_record import VersionRecord
from backend.store.versions import Versions

LITTLE = 0.01
"""Dice: a smaller difference is no news."""
FEWEST_IMAGES = 3
"""A comparison on fewer tells nothing of a trend."""
LOOKED_BACK = 12
"""Versions in use before the present one that it is compared with."""


class Trend(StrEnum):
    """What the sentence comes to."""

    EARLY = "early"
    BETTER = "better"
    LEVEL = "level"
    WORSE = "worse"
    FALLING = "falling"  # worse twice running


@dataclass(frozen=True)
class LearningTrend:
    """A sentence for people; `back_to` is the version that it advises to go back to."""

    trend: Trend
    text: str
    back_to: str | None = None


@dataclass(frozen=True)
class _Comparison:
    """The mean held-out dice of a version and of an earlier one on the same tasks."""

    earlier: VersionRecord
    mine: float
    other: float
    error: float  # standard error of the difference
    tasks: tuple[str, ...]

    @property
    def change(self) -> float:
        return self.mine - self.other

    @property
    def telling(self) -> bool:
        """Whether it is more than noise."""
        return abs(self.change) >= max(LITTLE, self.error)


def judge_trend(versions: Versions) -> LearningTrend | None:
    """Compare the version in use with the best used before it; None before there is a version.

    "Worse" is said where its mean held-out dice on the same images is lower by at least 0.01 and by more than
    the standard error of the differences; "falling" where that holds for the version used just before it as
    well.
    Versions whose record is damaged are passed over.
    """
    used = _used(versions)
    if not used:
        return None
    current = used[0]
    compared = _compare(current, used[1:])
    if not compared:
        since = "no other version has been in use" if len(used) == 1 else "it shares too few held-out images"
        more = f"{since}{'' if len(used) == 1 else ' with those before it'}"
        return LearningTrend(
            Trend.EARLY, f"It is too early to tell whether {current.name} is better: {more}."
        )
    best = min(compared, key=lambda each: each.change)
    if best.change < 0 and best.telling:
        return _worse(current, best, used[1])
    first = compared[-1]  # where it began, as far as it can be compared
    told = (
        f"{current.name} is {{}} {{}} {first.earlier.name}{_on(first)}: {figures(first.mine, first.other)}."
    )
    if first.telling:
        return LearningTrend(Trend.BETTER, told.format("better", "than"))
    return LearningTrend(Trend.LEVEL, told.format("about as good", "as"))


def _worse(current: VersionRecord, best: _Comparison, before: VersionRecord) -> LearningTrend:
    good = best.earlier
    again = _compare(before, [good]) if before.name != good.name else []
    if again and again[0].change < 0 and again[0].telling:
        dice = f"{figures(best.mine, best.other)}"
        return LearningTrend(
            Trend.FALLING,
            f"{current.name} is worse than {good.name}{_on(best)}, twice running ({dice}): look at the last"
            f" labels, or roll back to {good.name}.",
            good.name,
        )
    return LearningTrend(
        Trend.WORSE,
        f"{current.name} is worse than {good.name}{_on(best)}: {figures(best.mine, best.other)}."
        " Once may be chance; the next version tells.",
        good.name,
    )


def _used(versions: Versions) -> list[VersionRecord]:
    """The version in use and those used before it, the newest use first."""
    names = dict.fromkeys(use.version for use in reversed(versions.uses.all()))
    found = []
    for name in list(names)[: LOOKED_BACK + 1]:
        try:
            found.append(versions.record(name))
        except VersionError:
            if not found:
                return []  # the one in use: said elsewhere
    return found


def _compare(version: VersionRecord, earlier: list[VersionRecord]) -> list[_Comparison]:
    """With each of the earlier ones that it can be compared with."""
    found = []
    for other in earlier:
        tasks = common_tasks(version, other)
        if len(tasks) < FEWEST_IMAGES or incomparable(version, other, tasks):
            continue
        mine, others = (np.array([each.held_out[task] for task in tasks]) for each in (version, other))
        error = float((mine - others).std(ddof=1) / math.sqrt(len(tasks)))
        found.append(_Comparison(other, float(mine.mean()), float(others.mean()), error, tuple(tasks)))
    return found


def _on(compared: _Comparison) -> str:
    return on_tasks(list(compared.tasks))
