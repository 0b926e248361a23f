"""Whether the model is getting better, in one sentence:
the version in use against those used before it, on the same held-out images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from backend.errors import VersionError
from backend.store.version_comparison import (
    LITTLE,
    TOLERANCE,
    common_tasks,
    figures,
    incomparable,
    on_tasks,
)
from backend.store.version_history import ROLLBACK
from backend.store.version_record import VersionRecord
from backend.store.versions import Versions

FEWEST_IMAGES = 3
"""A comparison on fewer tells nothing of a trend."""
LOOKED_BACK = 12
"""Versions in use before the present one that it is compared with, beside those in use first."""
FIRST = 3
"""Versions in use first: one of them is where it began, whatever has come since."""
SUSPECTS = 3
"""Labels that may have spoilt a version; more are no hint."""
OUT_OF_LINE = 0.1
"""Dice below the mean of the others from which on a label is out of line with them."""


class Trend(StrEnum):
    """What the sentence comes to."""

    EARLY = "early"
    BETTER = "better"
    LEVEL = "level"
    WORSE = "worse"
    FALLING = "falling"  # worse twice running
    KEPT_BACK = "kept back"  # the newest one is worse, and not in use


@dataclass(frozen=True)
class Suspect:
    """A label that may have spoilt a version: a network that learnt all others disagrees with it."""

    task: int
    dice: float  # held-out, of the version that is worse
    name: str = ""  # of its image file, as far as it is known

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.name} (task {self.task})" if self.name else f"task {self.task}"


@dataclass(frozen=True)
class LearningTrend:
    """A sentence for people; `back_to` is the version that it advises to go back to, `suspects` the labels
    that have come since and are most out of line with the others."""

    trend: Trend
    text: str
    back_to: str | None = None
    suspects: tuple[Suspect, ...] = ()


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
    """Compare the version in use with the best used before it, or, where none is better, with where it began;
    None before there is a version. What has learnt more and is not in use, as it is worse, comes first.

    "Worse" is said where its mean held-out dice on the same images is lower by at least 0.01 and by more than
    the standard error of the differences; "falling" where that holds for the version used just before it as
    well.
    Versions whose record is damaged are passed over.
    """
    used = _used(versions)
    if not used:
        return None
    current = used[0]
    if kept_back := _kept_back(versions, current):
        return kept_back
    compared = _compare(current, used[1:])
    if not compared:
        since = "no other version has been in use" if len(used) == 1 else "it shares too few held-out images"
        more = f"{since}{'' if len(used) == 1 else ' with those before it'}"
        return LearningTrend(
            Trend.EARLY, f"It is too early to tell whether {current.name} is better: {more}."
        )
    best = min(compared, key=lambda each: each.change)
    if best.change < 0 and best.telling:
        use = versions.uses.current()
        if use is not None and use.by == ROLLBACK:
            return _chosen(current, best)
        return _worse(current, best, used[1])
    first = compared[-1]  # where it began, as far as it can be compared
    told = (
        f"{current.name} is {{}} {{}} {first.earlier.name}{_on(first)}: {figures(first.mine, first.other)}."
    )
    if first.telling:
        return LearningTrend(Trend.BETTER, told.format("better", "than"))
    return LearningTrend(Trend.LEVEL, told.format("about as good", "as"))


def _kept_back(versions: Versions, current: VersionRecord) -> LearningTrend | None:
    """That what has learnt the last labels is worse than the version in use, and not in use therefore."""
    newest = versions.newest_record(current.kind)
    more = len(set(newest.tasks.items()) - set(current.tasks.items())) if newest else 0
    if newest is None or not more or newest.name in {use.version for use in versions.uses.all()}:
        return None
    for found in _compare(newest, [current]):
        if found.change < 0 and found.telling:
            labels = f"the last {more} labels" if more > 1 else "the last label"
            text = (
                f"{newest.name}, which has learnt {labels}, is worse than {current.name}{_on(found)}"
                f" ({figures(found.mine, found.other)}), so {current.name} stays in use."
            )
            return LearningTrend(Trend.KEPT_BACK, text, suspects=find_suspects(newest, current))
    return None


def _chosen(current: VersionRecord, best: _Comparison) -> LearningTrend:
    """That the version in use, which a person chose, is worse than another: they may know why."""
    good, dice = best.earlier.name, figures(best.mine, best.other)
    return LearningTrend(
        Trend.WORSE,
        f"{current.name} is in use as a person chose it. It is worse than {good}{_on(best)}: {dice}. To use"
        f" {good}, roll back to it.",
        good,
    )


def _worse(current: VersionRecord, best: _Comparison, before: VersionRecord) -> LearningTrend:
    good, dice = best.earlier, figures(best.mine, best.other)
    told = f"{current.name} is worse than {good.name}{_on(best)}"
    suspects = find_suspects(current, good)
    again = _compare(before, [good]) if before.name != good.name else []
    if again and again[0].change < 0 and again[0].telling:
        text = (
            f"{told}, twice running ({dice}), each time by too little to be kept back ({TOLERANCE:.2f}). Look"
            f" at the last labels, or roll back to {good.name}."
        )
        return LearningTrend(Trend.FALLING, text, good.name, suspects)
    return LearningTrend(
        Trend.WORSE,
        f"{told}: {dice}. Once may be chance, so it is in use; a version that is clearly worse, by more than"
        f" {TOLERANCE:.2f}, would not be. The next one tells, or roll back to {good.name}.",
        good.name,
        suspects,
    )


def find_suspects(worse: VersionRecord, good: VersionRecord) -> tuple[Suspect, ...]:
    """The labels that only the worse of two versions has learnt, and that agree clearly less than the others
    with what a network predicts that learnt all but them; the least first.

    A hard image is one as well: people are to look, nothing is decided by it.
    """
    telling = {task: dice for task, dice in worse.held_out.items() if task not in worse.undecisive}
    new = {task: dice for task, dice in telling.items() if good.tasks.get(task) != worse.tasks.get(task)}
    old = [dice for task, dice in telling.items() if task not in new]
    if not old:
        return ()
    limit = float(np.mean(old)) - OUT_OF_LINE
    found = sorted((dice, int(task)) for task, dice in new.items() if dice < limit)
    return tuple(Suspect(task, dice) for dice, task in found[:SUSPECTS])


def _used(versions: Versions) -> list[VersionRecord]:
    """The version in use and those used before it, the newest use first: the last ones, and the first."""
    names = list(dict.fromkeys(use.version for use in reversed(versions.uses.all())))
    found = []
    for name in dict.fromkeys([*names[: LOOKED_BACK + 1], *names[-FIRST:]]):
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
