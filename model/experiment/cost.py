"""What each strategy cost, and how far training alone changes a score."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from model.experiment.curves import Measure, mean
from model.experiment.results import INITIAL, RANDOM, WHOLE, Run


@dataclasses.dataclass(frozen=True)
class Cost:
    """Compute spent on one strategy, all experiments and draws together, in seconds."""

    strategy: str
    runs: int
    steps: int  # runs in which the strategy had to choose
    query_seconds: float
    query_seconds_per_step: float | None  # None without a step
    train_seconds: float  # evaluation networks; not part of the price of a strategy


@dataclasses.dataclass(frozen=True)
class Noise:
    """Spread of the score when the same set is trained on again."""

    sets: int  # distinct sets trained at least twice
    repeats: float  # mean trainings of such a set
    sd: float  # of a single training, pooled over sets
    standard_error: float  # of a score, which is the mean over as many repeats as every set has


def cost(runs: Sequence[Run]) -> list[Cost]:
    """Sum the seconds of each strategy; the shared initial and whole-pool runs have rows of their own."""
    out = []
    for strategy in sorted(
        {run.strategy for run in runs},
        key=lambda name: (name != INITIAL, name == WHOLE, name != RANDOM, name),
    ):
        own = [run for run in runs if run.strategy == strategy]
        steps = sum(1 for run in own if run.added)
        query = math.fsum(run.query_seconds for run in own)
        out.append(
            Cost(
                strategy,
                len(own),
                steps,
                query,
                query / steps if steps else None,
                math.fsum(run.train_seconds for run in own),
            )
        )
    return out


def noise(runs: Sequence[Run], measure: Measure = "dice") -> Noise | None:
    """Pool the variance between trainings of the same set; None where no set was trained twice.

    A set whose scores are kept for several arms of an experiment (same images, same seed) counts once;
    the whole pool is trained once for each experiment.
    """
    trainings: dict[tuple[str, ...], dict[int, tuple[float, ...]]] = defaultdict(dict)
    for run in runs:
        trainings[run.chosen][run.seed] = _repeats(run, measure)
    of_sets = [
        np.array([dice for _, values in sorted(by_seed.items()) for dice in values])
        for _, by_seed in sorted(trainings.items())
    ]
    groups = [values for values in of_sets if len(values) > 1]
    if not groups:
        return None
    free = sum(len(g) - 1 for g in groups)
    sd = math.sqrt(math.fsum(float(((g - g.mean()) ** 2).sum()) for g in groups) / free)
    least = min(len(run.dice) for run in runs)
    return Noise(len(groups), mean([len(g) for g in groups]), sd, sd / math.sqrt(least))


def _repeats(run: Run, measure: Measure) -> tuple[float, ...]:
    return run.dice if measure == "dice" else run.worst_dice
