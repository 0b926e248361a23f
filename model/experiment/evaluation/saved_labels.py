"""Labels saved: how many random choice needs for the dice that a strategy has with fewer."""

import dataclasses
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from model.experiment.evaluation.comparison import same_sets
from model.experiment.evaluation.curves import scores
from model.experiment.evaluation.significance import BOOTSTRAP_SAMPLES, DECIMALS, SEED
from model.experiment.record.run import INITIAL, RANDOM, Run

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class SavedLabels:
    """What the images that a strategy chose are worth in images chosen at random.

    `needed`: the labels with which random's mean curve reaches the strategy's mean dice at `size`; infinite
    where it does not with `most`, its largest size; `least`, its smallest, stands for that and all below.
    `interval`: 95 % percentile bootstrap over experiments, its ends as `needed`; None for one experiment.
    """

    strategy: str
    size: int
    n: int  # experiments in which both arms have what is compared
    difference: float  # of the mean dice at `size` to random's rising curve there
    needed: float
    interval: tuple[float, float] | None
    least: int
    most: int


def saved_labels(runs: Sequence[Run]) -> list[SavedLabels]:
    """The labels that random needs, for each strategy and size but the initial one, in this order.

    Of each experiment in which random has its whole curve; sizes that random lacks, or at which both hold the
    same images (the whole pool), are left out.
    """
    table = scores(runs).unstack("size")
    if RANDOM not in table.index.get_level_values("strategy"):
        return []
    random = table.loc[RANDOM].dropna(axis="columns", how="all").dropna()
    left_out = {run.size for run in runs if run.strategy == INITIAL}
    same, found = same_sets(runs), []
    curve_of = lru_cache(maxsize=None)(lambda experiments: RandomCurve.of(random.loc[list(experiments)]))
    for name in table.index.unique("strategy").drop(RANDOM):
        for size in random.columns.difference(left_out):
            own = table.loc[name][size].reindex(random.index).dropna()
            if (name, size) not in same and len(own):
                found.append(_compare(str(name), int(size), own.to_numpy(), curve_of(tuple(own.index))))
    return found


@dataclasses.dataclass(frozen=True)
class RandomCurve:
    """Random's mean dice by number of labels: found, and of bootstrap samples of the experiments.

    More labels help in the mean, so a curve that falls between two sizes is noise: it is replaced by the
    rising one that is nearest (isotonic regression). A label helps less the more there are, so between two
    sizes the dice is taken to rise with the logarithm of their number: a straight line would credit a
    strategy with more labels than it saves.
    """

    sizes: Floats  # (m,) rising
    drawn: NDArray[np.int64]  # (b, n) experiments by position; the first sample holds each once
    rising: Floats  # (b, m) mean dice of each sample

    @classmethod
    def of(cls, table: pd.DataFrame) -> Self:
        """Of a row for each experiment and a column for each size."""
        n = len(table)
        drawn = np.random.default_rng(SEED).integers(n, size=(BOOTSTRAP_SAMPLES if n > 1 else 0, n))
        drawn = np.vstack([np.arange(n), drawn])
        scores = table.to_numpy(dtype=np.float64)
        rising = np.array([isotonic_regression(mean).x for mean in scores[drawn].mean(axis=1)])
        return cls(table.columns.to_numpy(dtype=np.float64), drawn, rising)

    def labels_needed(self, dice: Floats) -> Floats:
        """The number of labels with which each sample reaches a dice, its logarithm on straight lines between
        the sizes.

        dice and result: (b,); infinite where the curve ends below the dice, the smallest size where it begins
        above.
        """
        wanted, rising = dice.round(DECIMALS), self.rising.round(DECIMALS)
        reached = rising >= wanted[:, None]
        after = reached.argmax(axis=1)
        before, rows = np.maximum(after - 1, 0), np.arange(len(rising))
        low, high = rising[rows, before], rising[rows, after]
        share = np.divide(wanted - low, high - low, out=np.zeros_like(low), where=(after > 0) & (high > low))
        labels = self.sizes[before] * (self.sizes[after] / self.sizes[before]) ** share
        return np.where(reached.any(axis=1), labels, math.inf)


def _compare(name: str, size: int, own: Floats, random: RandomCurve) -> SavedLabels:
    """own: (n,) dice at `size`, of the experiments of `random`, with which they are drawn."""
    found, *samples = random.labels_needed(own[random.drawn].mean(axis=1))
    interval = None
    if samples:  # an end is one of them: between a number and an infinite one lies none
        low, high = np.quantile(samples, (0.025, 0.975), method="inverted_cdf")
        interval = float(low), float(high)
    difference = float((own.mean() - random.rising[0, random.sizes == size].item()).round(DECIMALS))
    ends = int(random.sizes[0]), int(random.sizes[-1])
    return SavedLabels(name, size, len(own), difference, float(found), interval, *ends)
