"""The batch with the best worst-case expected dice:
a relaxation for the bound, a search for the batch, a proof for the rest."""

import logging
import math
import time
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from model.selection.active_set import first_targets
from model.selection.greedy_search import greedy_batch
from model.selection.local_search import Batch, search
from model.selection.outcome import VALUE_TOLERANCE, Selection
from model.selection.problem import Problem, pose
from model.selection.proof import MOST_NODES, prove
from model.selection.refinement import refine
from model.selection.relaxation import cover_bound, dual_bound, fix_by_reduced_costs, relax

logger = logging.getLogger(__name__)

# Seconds that a search for a batch takes at most; it usually ends long before.
TIME_LIMIT = 30.0
# Part of the time left that the relaxation and the search may use, so that something remains for the proof.
SHARE = 0.5


def maximin(
    similarity: ArrayLike,
    labelled: Iterable[int],
    budget: int,
    *,
    ids: Sequence[str] | None = None,
    time_limit: float = TIME_LIMIT,
    seed: int = 0,
    nodes: int = MOST_NODES,
) -> Selection:
    """Choose the `budget` unlabelled images that maximise the worst expected dice min_j p(x_j) (Eq. 3 and
    step 6 of the paper).

    similarity: (N, N) float32 or float64 in [0, 1];
    [i, j] is the dice on image j of a network trained on image i alone.
    labelled: positions.
    ids: a name for each position, which breaks ties; the order of the images does not matter to the outcome.
    time_limit: seconds, a cap; counts of steps end the search first on most pools, so that machines agree.
    nodes: of the search in each program of the proof.
    Returns the batch, its value and a proven upper bound on the value of any batch;
    never worse than greedy search.
    """
    return select(pose(similarity, labelled, budget, ids), time_limit, seed, nodes)[0]


def select(problem: Problem, time_limit: float, seed: int, nodes: int) -> tuple[Selection, Batch]:
    """Choose the batch of a posed problem, see `maximin`; returns it also as candidate numbers."""
    start = time.monotonic()
    deadline = start + time_limit
    if problem.budget == len(problem.candidates):
        batch, bound = list(range(problem.budget)), -math.inf
    else:
        batch, bound = solve(problem, deadline, seed, nodes)
    value = max(0.0, problem.worst(batch) / problem.size)
    selection = Selection(problem.positions(sorted(batch)), value, max(value, bound / problem.size))
    logger.info(
        "selection: %d of %d images in %.1f s, value %.5f, upper bound %.5f",
        problem.budget,
        len(problem.candidates),
        time.monotonic() - start,
        value,
        selection.upper_bound,
    )
    return selection, batch


def solve(problem: Problem, deadline: float, seed: int, nodes: int) -> tuple[Batch, float]:
    """Return the best batch found and a proven bound on the worst total of any batch."""
    batch = greedy_batch(problem)
    active = first_targets(problem, batch)
    relaxed = relax(problem, active, part(deadline))
    batch = search(
        problem, active, batch, relaxed.weights, relaxed.bound - tolerance(problem), part(deadline), seed
    )
    bound = min(relaxed.bound, cover_bound(problem, active))
    duals = np.pad(relaxed.duals, (0, len(active.members) - len(relaxed.duals)))
    scores = duals @ active.gains
    proven = dual_bound(problem, active, duals, scores)
    kept = fix_by_reduced_costs(problem, scores, proven, problem.worst(batch))
    batch, bound = prove(problem, active, kept, batch, bound, tolerance(problem), deadline, nodes)
    return refine(problem, active, batch, deadline), bound


def tolerance(problem: Problem) -> float:
    """Return the sum that corresponds to the tolerance on expected dice."""
    return VALUE_TOLERANCE * problem.size


def part(deadline: float) -> float:
    """Return the moment at which a share of the time left is spent."""
    now = time.monotonic()
    return now + SHARE * (deadline - now)
