"""Budget curves: how well each strategy does at each number of labelled images, and the area under its curve.

Statistics are over experiments: the random sequences and the repeated trainings of one are averaged first.
Sizes are numbers of labelled images; scores are dice from 0 to 1. Functions do no I/O.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from model.experiment.record.run import INITIAL, RANDOM, WHOLE, Run

Measure = Literal["dice", "worst_dice"]
ARM = ["strategy", "experiment", "draw"]
"""What names one budget curve."""


def arms(runs: Iterable[Run], measure: Measure = "dice") -> pd.DataFrame:
    """A row for each size of each budget curve: ARM, size, score, and the set's file names as `chosen`.

    The shared initial and whole-pool runs join every arm of their experiment. Leave the whole-pool runs out
    (plan.planned_runs does) where their size is no part of the curve.
    """
    means = "mean_dice" if measure == "dice" else "mean_worst_dice"
    rows = [(r.strategy, r.experiment, r.draw, r.size, getattr(r, means), r.chosen) for r in runs]
    table = pd.DataFrame(rows, columns=[*ARM, "size", "score", "chosen"]).astype({"score": float})
    is_shared = table.strategy.isin([INITIAL, WHOLE])
    own, shared = table[~is_shared], table[is_shared].drop(columns=["strategy", "draw"])
    joined = own[ARM].drop_duplicates().merge(shared, on="experiment")
    both = pd.concat([joined, own]).drop_duplicates([*ARM, "size"], keep="last")
    both["place"] = both.strategy != RANDOM
    return both.sort_values(["place", "strategy", "size", "experiment", "draw"], ignore_index=True)


def strategies(runs: Iterable[Run]) -> list[str]:
    """The strategies that have runs of their own: alphabetical, `random` first."""
    names = {run.strategy for run in runs} - {INITIAL, WHOLE}
    return sorted(names, key=lambda name: (name != RANDOM, name))


def scores(runs: Iterable[Run], measure: Measure = "dice") -> "pd.Series[float]":
    """The score by strategy, size and experiment: the mean of the random sequences."""
    return arms(runs, measure).groupby(["strategy", "size", "experiment"], sort=False).score.mean()


def table(runs: Iterable[Run], measure: Measure = "dice") -> pd.DataFrame:
    """By strategy (`random` first) and size: n, the number of experiments; mean; sd, the standard deviation
    with n - 1 in the denominator, NaN for one experiment."""
    over_experiments = scores(runs, measure).groupby(["strategy", "size"], sort=False)
    return over_experiments.agg(n="count", mean="mean", sd="std")


def common_sizes(runs: Iterable[Run]) -> list[int]:
    """The sizes that every strategy has in at least one experiment, rising: the range of the budget curve."""
    table = arms(runs)
    reached = table.groupby("size").strategy.nunique()
    return [int(size) for size in reached[reached == table.strategy.nunique()].index]


def areas(runs: Sequence[Run], measure: Measure = "dice") -> "pd.Series[float]":
    """The area under the budget curve by strategy and experiment: the mean of the finished random sequences.

    By the trapezoid rule, divided by the range of sizes, so that it reads as a mean dice: a curve that is
    constant at c has the area c. Curves that lack one of the common_sizes are left out.
    """
    sizes = common_sizes(runs)
    curves = arms(runs, measure).pivot(index=ARM, columns="size", values="score")[sizes].dropna()
    if len(sizes) < 2:
        curves, sizes = curves[:0], [0, 1]
    area = np.trapezoid(curves, sizes, axis=1) / (sizes[-1] - sizes[0])
    return pd.Series(area, curves.index).groupby(["strategy", "experiment"]).mean()
