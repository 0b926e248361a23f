"""The batch with the best worst-case expected dice:
a relaxation for the bound, a search for the batch, a proof for the rest."""

import logging
import math
import time
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.selection.branching import branch
from model.selection.enumeration import BETTER, enumerate_batches
from model.selection.greedy_search import greedy_batch
from model.selection.hard_targets import HardTargets, first_targets
from model.selection.local_search import Batch, search
from model.selection.outcome import VALUE_TOLERANCE, Selection
from model.selection.problem import Problem, pose
from model.selection.refinement import refine
from model.selection.relaxation import Relaxation, cover_bound, priced_bound, relax, worth_keeping

logger = logging.getLogger(__name__)

# Batches up to which all are searched (with most of them left out) instead of branching ...
MAX_BATCHES = 100_000_000
# ... and candidates times targets up to which its tables are built.
MAX_TABLE = 500_000
# Branching is not tried on a larger relative distance than this:
# on such pools (dice without any structure) it uses up any time without moving the bound far.
HOPELESS = 0.5
# Part of the time left that the relaxation and the search may use, so that something remains for the proof.
SHARE = 0.5


def maximin(
    similarity: ArrayLike,
    labelled: Iterable[int],
    budget: int,
    *,
    targets: Iterable[int] | None = None,
    ids: Sequence[str] | None = None,
    time_limit: float = 30.0,
    seed: int = 0,
) -> Selection:
    """Choose the `budget` unlabelled images that maximise the worst expected dice min_j p(x_j) (Eq. 3 and
    step 6 of the paper).

    similarity: (N, N) float32 or float64 in [0, 1];
    [i, j] is the dice on image j of a network trained on image i alone.
    labelled, targets: positions; only targets count in the minimum (all images by default).
    ids: a name for each position, which breaks ties; the order of the images does not matter to the outcome.
    time_limit: seconds, a cap; counts of steps end the search first on most pools, so that machines agree.
    Returns the batch, its value and a proven upper bound on the value of any batch;
    never worse than greedy search.
    """
    return select(pose(similarity, labelled, budget, targets, ids), time_limit, seed)[0]


def select(problem: Problem, time_limit: float, seed: int) -> tuple[Selection, Batch]:
    """Choose the batch of a posed problem, see `maximin`; returns it also as candidate numbers."""
    start = time.monotonic()
    deadline = start + time_limit
    if problem.budget == len(problem.candidates):
        batch, bound = list(range(problem.budget)), -math.inf
    else:
        batch, bound = solve(problem, deadline, seed)
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


def solve(problem: Problem, deadline: float, seed: int) -> tuple[Batch, float]:
    """Return the best batch found and a proven bound on the worst total of any batch."""
    batch = greedy_batch(problem)
    hard = first_targets(problem, batch)
    relaxed = relax(problem, hard, part(deadline))
    batch = search(
        problem, hard, batch, relaxed.weights, relaxed.bound - tolerance(problem), part(deadline), seed
    )
    bound = min(relaxed.bound, cover_bound(problem, hard))
    if bound - problem.worst(batch) > tolerance(problem):
        batch, bound = prove(problem, hard, relaxed, batch, bound, deadline)
    return refine(problem, hard, batch, deadline), bound


def prove(
    problem: Problem, hard: HardTargets, relaxed: Relaxation, batch: Batch, bound: float, deadline: float
) -> tuple[Batch, float]:
    """Close the distance between a batch and a bound as far as time allows; return both, improved."""
    prices = np.pad(relaxed.prices, (0, len(hard.members) - len(relaxed.prices)))
    scores = prices @ hard.gains
    priced = priced_bound(problem, hard, prices, scores)
    value = problem.worst(batch)
    kept = worth_keeping(problem, scores, priced, value)
    if math.comb(len(kept), problem.budget) <= MAX_BATCHES and len(kept) * len(problem.targets) <= MAX_TABLE:
        batch, bound, finished = by_enumeration(problem, hard, kept, prices, batch, bound, part(deadline))
        if finished:
            return batch, bound
    if bound > value * (1 + HOPELESS):
        return batch, bound
    found, proven = branch(problem, hard, kept, scores, batch, bound, tolerance(problem) / 2, deadline)
    return found, min(bound, proven)


def by_enumeration(
    problem: Problem,
    hard: HardTargets,
    kept: NDArray[np.int64],
    prices: NDArray[np.float64],
    batch: Batch,
    bound: float,
    deadline: float,
) -> tuple[Batch, float, bool]:
    """Return the best batch of the candidates kept, its value as bound where the search finished in time, and
    whether it did."""
    value = problem.worst(batch)
    weights = np.zeros(len(problem.targets))
    weights[hard.members] = prices
    gains = problem.rows(kept)
    found, best, finished = enumerate_batches(gains, problem.base, problem.budget, weights, value, deadline)
    better = [int(kept[number]) for number in found] or batch
    return better, max(best, problem.worst(better)) + BETTER if finished else bound, finished


def tolerance(problem: Problem) -> float:
    """Return the sum that corresponds to the tolerance on expected dice."""
    return VALUE_TOLERANCE * problem.size


def part(deadline: float) -> float:
    """Return the moment at which a share of the time left is spent."""
    now = time.monotonic()
    return now + SHARE * (deadline - now)
