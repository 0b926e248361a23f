"""What each strategy cost, and how far training alone changes a score."""

import dataclasses
import math
from collections.abc import Sequence

import pandas as pd

from model.experiment.record.run import INITIAL, RANDOM, WHOLE, Run


@dataclasses.dataclass(frozen=True)
class Noise:
    """Spread of the score when the same set of so many images is trained on again."""

    size: int
    sets: int  # distinct sets trained at least twice
    repeats: float  # mean trainings of such a set
    sd: float  # of a single training, pooled over sets
    standard_error: float  # of a score, which is the mean over as many repeats as every set has


def cost(runs: Sequence[Run]) -> pd.DataFrame:
    """Compute spent on each strategy, all its experiments and repetitions together, in seconds.

    Columns: runs; steps, the runs in which it had to choose; query_seconds; query_seconds_per_step, NaN
    without a step; train_seconds, of the evaluation networks, which is no part of the price of a strategy.
    The shared initial and whole-pool runs have rows of their own.
    """
    rows = [(run.strategy, 1, bool(run.added), run.query_seconds, run.train_seconds) for run in runs]
    table = pd.DataFrame(rows, columns=["strategy", "runs", "steps", "query_seconds", "train_seconds"])
    spent = table.groupby("strategy").sum()
    spent["query_seconds_per_step"] = spent.query_seconds / spent.steps.where(spent.steps > 0)
    names = sorted(spent.index, key=lambda name: (name != INITIAL, name == WHOLE, name != RANDOM, name))
    return spent.loc[names]


def noise(runs: Sequence[Run]) -> list[Noise]:
    """Pool the variance between trainings of the same set, for each number of images of which a set was
    trained twice, ascending: networks that learn from few images differ most.

    A set whose scores are kept for several arms of an experiment (same images, same seed) counts once;
    the whole pool is trained once for each experiment.
    """
    trainings = {(run.size, run.chosen, run.seed): run.dice for run in runs}
    table = pd.DataFrame(
        [(size, chosen, dice) for (size, chosen, _), scores in trainings.items() for dice in scores],
        columns=["size", "chosen", "dice"],
    )
    of_sets = table.groupby(["size", "chosen"]).dice.agg(["count", "var"])
    found = []
    for size, again in of_sets[of_sets["count"] > 1].groupby("size"):
        free = again["count"] - 1
        sd = math.sqrt((again["var"] * free).sum() / free.sum())
        least = min(len(run.dice) for run in runs if run.size == size)
        found.append(
            Noise(int(str(size)), len(again), float(again["count"].mean()), sd, sd / math.sqrt(least))
        )
    return found
