"""The paper's search: try every batch. Feasible for small pools only, of which it is the yardstick."""

import math
from collections.abc import Iterable
from itertools import combinations, islice

import numpy as np
from numpy.typing import ArrayLike

from model.selection.greedy_search import ties
from model.selection.outcome import Selection
from model.selection.problem import pose

# Batches compared at a time.
BLOCK = 4096


def exhaustive(similarity: ArrayLike, labelled: Iterable[int], budget: int) -> Selection:
    """Choose the best of all batches (step 6 as in the paper);
    ties by mean expected dice, then by the smaller positions.

    similarity: (N, N) float in [0, 1]; labelled: positions.
    """
    problem = pose(similarity, labelled, budget)
    gains = problem.rows(np.arange(len(problem.candidates)))
    batches = combinations(range(len(problem.candidates)), budget)
    best: tuple[float, float, tuple[int, ...]] = (math.inf, math.inf, ())
    while block := list(islice(batches, BLOCK)):
        totals = problem.base + gains[np.array(block)].sum(axis=1)
        worst, mean = ties(totals.min(axis=1)), ties(totals.mean(axis=1))
        first = int(np.lexsort((-mean, -worst))[0])  # lexsort is stable: of equals, the smaller positions
        best = min(best, (-float(worst[first]), -float(mean[first]), block[first]))
    value = max(0.0, problem.worst(best[2]) / problem.size)
    return Selection(problem.positions(best[2]), value, value)
