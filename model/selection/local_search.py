"""Good batches quickly: rounding of the relaxation, and an iterated local search, which descends by swaps and
restarts from a perturbed batch."""

import time

import numpy as np
from numpy.typing import NDArray

from model.selection.active_set import LIMIT, ActiveSet
from model.selection.problem import Problem

# Random roundings of the relaxation, and how many of the best are improved by swaps.
ROUNDINGS, DESCENTS = 400, 8
# Restarts from the best batch, perturbed; `STALE_RESTARTS` of them in a row without a gain end the search.
RESTARTS, STALE_RESTARTS = 1200, 300
# Worst targets on which all candidates of a swap are compared, and how many of them are compared on all
# active targets.
SCREENED_TARGETS, SHORTLIST = 6, 256
# Worst targets on which swaps are compared once the list of active targets is full.
FRESH_TARGETS = 256
# A sum must grow by this much to count as better: above the rounding of float64, below any dice that matters.
BETTER = 1e-9

Batch = list[int]


def search(
    problem: Problem,
    active: ActiveSet,
    start: Batch,
    weights: NDArray[np.float64],
    enough: float,
    deadline: float,
    seed: int,
) -> Batch:
    """Return the best batch found from a start and from roundings of the relaxation;
    stops at a total of `enough`.

    start: candidate numbers; weights: (C,) from the relaxation.
    The counts above end the search, the deadline is only a cap.
    """
    rng = np.random.default_rng(seed)
    best, value = descend_on_all(problem, active, start, deadline)
    for batch in best_roundings(problem, active, weights, rng):
        if value >= enough or time.monotonic() > deadline:
            return best
        found, worth = descend_on_all(problem, active, batch, deadline)
        if worth > value + BETTER:
            best, value = found, worth
    stale = 0
    for _ in range(RESTARTS):
        if value >= enough or stale >= STALE_RESTARTS or time.monotonic() > deadline:
            break
        found, worth = descend_on_all(problem, active, perturb(active, best, rng), deadline)
        stale = 0 if worth > value + BETTER else stale + 1
        if worth >= value:
            best, value = found, worth
    return best


def descend_on_all(problem: Problem, active: ActiveSet, batch: Batch, deadline: float) -> tuple[Batch, float]:
    """Improve a batch by swaps until none helps, check it on all targets, and go on where one of those turns
    out to decide the worst case.

    Returns the best batch met and its true worst total.
    """
    best, value = batch, problem.worst(batch)
    while time.monotonic() <= deadline:
        batch = descend(active, batch)
        totals = problem.totals(batch)
        worth = float(totals.min())
        if worth > value + BETTER:
            best, value = batch, worth
        if len(active.members) >= LIMIT:
            return descend_on_worst(problem, best, value, deadline)
        if not active.add_cuts(totals, float(active.totals(batch).min()) - BETTER):
            break
    return best, value


def descend_on_worst(problem: Problem, batch: Batch, value: float, deadline: float) -> tuple[Batch, float]:
    """Improve a batch by swaps where nearly every target would be in the active set:
    look at the worst targets of the moment, one swap at a time."""
    while time.monotonic() <= deadline:
        totals = problem.totals(batch)
        swap = best_swap(
            ActiveSet(problem, np.argsort(totals, kind="stable")[:FRESH_TARGETS].tolist()), batch
        )
        if swap is None:
            break
        changed = [*batch[: swap[0]], swap[1], *batch[swap[0] + 1 :]]
        worth = problem.worst(changed)
        if worth <= value + BETTER:
            break
        batch, value = changed, worth
    return batch, value


def descend(active: ActiveSet, batch: Batch) -> Batch:
    """Apply the best swap (one out, one in) until none raises the worst active target."""
    batch = list(batch)
    while (swap := best_swap(active, batch)) is not None:
        place, candidate = swap
        batch[place] = candidate
    return batch


def best_swap(active: ActiveSet, batch: Batch) -> tuple[int, int] | None:
    """Return (place in the batch, candidate to put there) of the swap with the highest worst active target,
    or None if none helps."""
    total = active.totals(batch)
    value, best = float(total.min()) + BETTER, None
    for place, member in enumerate(batch):
        without = total - active.gains[:, member]
        worst = (
            np.argpartition(without, SCREENED_TARGETS)[:SCREENED_TARGETS]
            if len(without) > SCREENED_TARGETS
            else np.arange(len(without))
        )
        bound = (active.gains[worst] + without[worst, None]).min(axis=0)
        bound[batch] = -np.inf
        candidates = np.flatnonzero(bound > value)
        if len(candidates) > SHORTLIST:
            candidates = np.sort(candidates[np.argpartition(-bound[candidates], SHORTLIST)[:SHORTLIST]])
        if not len(candidates):
            continue
        worth = (active.gains[:, candidates] + without[:, None]).min(axis=0)
        first = int(worth.argmax())
        if worth[first] > value:
            value, best = float(worth[first]), (place, int(candidates[first]))
    return best


def best_roundings(
    problem: Problem, active: ActiveSet, weights: NDArray[np.float64], rng: np.random.Generator
) -> list[Batch]:
    """Draw batches with the relaxation's weights as odds and return those with the best worst active target.

    weights: (C,) float64.
    Adding Gumbel noise to the log-weights and taking the b largest samples without replacement.
    """
    odds = np.log(np.maximum(weights, 1e-6 * max(weights.max(), 1e-12)))
    likely = np.sort(np.argsort(-odds, kind="stable")[: 10 * problem.budget + 200])
    sampled = np.argsort(-(odds[likely] + rng.gumbel(size=(ROUNDINGS, len(likely)))), axis=1, kind="stable")[
        :, : problem.budget
    ]
    batches = np.unique(np.sort(likely[sampled], axis=1), axis=0)
    worth = np.array([(active.base + active.gains[:, batch].sum(axis=1)).min() for batch in batches])
    return [
        [int(number) for number in batches[place]] for place in np.argsort(-worth, kind="stable")[:DESCENTS]
    ]


def perturb(active: ActiveSet, batch: Batch, rng: np.random.Generator) -> Batch:
    """Replace a few random members by candidates that help the then worst target, of the best few."""
    count = min(len(batch), int(rng.integers(1, 5)))
    rest = [batch[place] for place in sorted(rng.permutation(len(batch))[count:])]
    while len(rest) < len(batch):
        total = active.totals(rest)
        worst = np.argsort(total, kind="stable")[: int(rng.integers(1, 2 * SCREENED_TARGETS))]
        worth = (active.gains[worst] + total[worst, None]).min(axis=0)
        worth[rest] = -np.inf
        top = np.argsort(-worth, kind="stable")[: min(6, len(worth) - len(rest))]
        rest.append(int(rng.choice(top)))
    return rest
