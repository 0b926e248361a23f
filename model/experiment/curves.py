"""Budget curves: how well each strategy does at each number of labelled images, and the area under its curve.

Experiments are the unit of everything: draws of `random` and repeated trainings are averaged within their
experiment first. Sizes are numbers of labelled images; scores are dice from 0 to 1. Functions do no I/O.
"""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from model.errors import ResultsError
from model.experiment.results import INITIAL, RANDOM, WHOLE, Run
from model.experiment.significance import finite

Measure = Literal["dice", "worst_dice"]
Arm = tuple[int, str, int]
"""Experiment, strategy, draw: one budget curve."""
Scores = dict[str, dict[int, dict[int, float]]]
"""Score by strategy, size and experiment, draws averaged."""


@dataclasses.dataclass(frozen=True)
class Row:
    """Scores of one strategy at one size over experiments."""

    strategy: str
    size: int
    n: int  # experiments that have this size
    mean: float
    sd: float | None  # over experiments, n - 1 in the denominator; None for one experiment


def arms(runs: Iterable[Run]) -> dict[Arm, dict[int, Run]]:
    """Give the runs of each budget curve by size;
    the shared initial and whole-pool runs join every arm of their experiment.

    Leave the whole-pool runs out (results.planned_runs does) where their size is no part of the curve.
    """
    own: dict[Arm, dict[int, Run]] = defaultdict(dict)
    shared: dict[int, dict[int, Run]] = defaultdict(dict)
    for run in runs:
        if run.strategy in (INITIAL, WHOLE):
            shared[run.experiment][run.size] = run
        else:
            own[run.experiment, run.strategy, run.draw][run.size] = run
    return {arm: dict(sorted({**shared[arm[0]], **sized}.items())) for arm, sized in sorted(own.items())}


def strategies(runs: Iterable[Run]) -> list[str]:
    """List the strategies that have runs of their own: alphabetical, `random` first."""
    names = {run.strategy for run in runs} - {INITIAL, WHOLE}
    return sorted(names, key=lambda name: (name != RANDOM, name))


def scores(runs: Sequence[Run], measure: Measure = "dice") -> Scores:
    """Average repeats, then draws, so that each strategy has one score per size and experiment."""
    draws: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    for (experiment, strategy, _), sized in arms(runs).items():
        for size, run in sized.items():
            draws[strategy, size, experiment].append(score_of(run, measure))
    out: Scores = {}
    for (strategy, size, experiment), values in sorted(draws.items()):
        out.setdefault(strategy, {}).setdefault(size, {})[experiment] = mean(values)
    return out


def table(runs: Sequence[Run], measure: Measure = "dice") -> list[Row]:
    """Summarise each strategy at each size over experiments; `random` first, sizes rising."""
    by_strategy = scores(runs, measure)
    rows = []
    for strategy in strategies(runs):
        for size, by_experiment in sorted(by_strategy[strategy].items()):
            values = list(by_experiment.values())
            sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
            rows.append(Row(strategy, size, len(values), mean(values), sd))
    return rows


def common_sizes(runs: Sequence[Run]) -> tuple[int, ...]:
    """List the sizes that every strategy has in at least one experiment, rising:
    the range of the budget curve."""
    by_strategy = scores(runs)
    shared = set.intersection(*(set(sized) for sized in by_strategy.values())) if by_strategy else set()
    return tuple(sorted(shared))


def curve_area(sizes: ArrayLike, dice: ArrayLike) -> float:
    """Area under a budget curve by the trapezoid rule, divided by the range of sizes, so that it reads as a
    mean dice.

    sizes: (n,) strictly rising, n >= 2; dice: (n,) finite. A curve that is constant at c has the area c.
    """
    x, y = finite(sizes, "sizes"), finite(dice, "dice")
    if x.shape != y.shape or len(x) < 2 or np.any(np.diff(x) <= 0):
        raise ResultsError(
            f"a curve needs two or more strictly rising sizes with one dice each, found {x.tolist()} and"
            f" {y.tolist()}"
        )
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))


def arm_areas(
    runs: Sequence[Run], sizes: Sequence[int] | None = None, measure: Measure = "dice"
) -> dict[Arm, float]:
    """Area of each budget curve that has all the sizes (common_sizes if not given);
    unfinished curves are left out."""
    wanted = common_sizes(runs) if sizes is None else tuple(sizes)
    if len(wanted) < 2:
        return {}
    complete = {arm: sized for arm, sized in arms(runs).items() if all(size in sized for size in wanted)}
    return {
        arm: curve_area(wanted, [score_of(sized[size], measure) for size in wanted])
        for arm, sized in complete.items()
    }


def areas(
    runs: Sequence[Run], sizes: Sequence[int] | None = None, measure: Measure = "dice"
) -> dict[str, dict[int, float]]:
    """Area by strategy and experiment, the finished draws of `random` averaged within the experiment."""
    draws: dict[tuple[str, int], list[float]] = defaultdict(list)
    for (experiment, strategy, _), area in arm_areas(runs, sizes, measure).items():
        draws[strategy, experiment].append(area)
    out: dict[str, dict[int, float]] = {}
    for (strategy, experiment), values in sorted(draws.items()):
        out.setdefault(strategy, {})[experiment] = mean(values)
    return out


def score_of(run: Run, measure: Measure) -> float:
    """The score of one run: mean over its repeated trainings."""
    return run.mean_dice if measure == "dice" else run.mean_worst_dice


def mean(values: Sequence[float]) -> float:
    """The mean, which does not depend on the order of the values."""
    return math.fsum(values) / len(values)
