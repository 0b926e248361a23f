"""The choice among equally good batches, so that it is not left to chance."""

import time

import numpy as np
from numpy.typing import NDArray

from model.selection.active_set import ActiveSet
from model.selection.greedy_search import BLOCK, row_means
from model.selection.problem import Problem

# Sums may differ by this much through the order of summation.
ROUNDING = 1e-12


def refine(problem: Problem, active: ActiveSet, batch: list[int], deadline: float) -> list[int]:
    """Among equally good batches prefer a higher mean expected dice, then smaller ids:
    one pass of swaps that never lower the worst.

    Where nothing helps the worst target, or where images are duplicates, this is what decides. batch:
    candidate numbers.
    """
    means = row_means(problem.gains)[problem.candidates]
    batch = list(batch)
    value = problem.worst(batch) - ROUNDING
    for place in np.lexsort((-np.asarray(batch), means[batch])):
        if time.monotonic() > deadline:
            break
        others = batch[:place] + batch[place + 1 :]
        replacement = first_no_worse(problem, active, others, batch[place], means, value)
        batch[place] = batch[place] if replacement is None else replacement
    return batch


def first_no_worse(
    problem: Problem,
    active: ActiveSet,
    others: list[int],
    member: int,
    means: NDArray[np.float64],
    value: float,
) -> int | None:
    """Return the preferred candidate that can stand for `member` beside `others` with a worst total of at
    least `value`, or None.

    means: (C,) float64, mean gain of each candidate over the targets.
    """
    numbers = np.arange(len(means))
    preferred = (means > means[member]) | ((means == means[member]) & (numbers < member))
    preferred &= (active.gains + active.totals(others)[:, None]).min(axis=0) >= value
    preferred[others] = False
    queue = np.flatnonzero(preferred)
    queue = queue[np.lexsort((queue, -means[queue]))]
    total = problem.totals(others)
    for start in range(0, len(queue), BLOCK):
        good = (problem.rows(queue[start : start + BLOCK]) + total).min(axis=1) >= value
        if good.any():
            return int(queue[start + int(good.argmax())])
    return None
