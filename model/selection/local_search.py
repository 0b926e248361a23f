"""Good batches quickly: rounding of the relaxation, swaps, and restarts from a disturbed batch."""

import time

import numpy as np
from numpy.typing import NDArray

from model.selection.hard_targets import LIMIT, HardTargets
from model.selection.problem import Problem

# Random roundings of the relaxation, and how many of the best are improved by swaps.
ROUNDINGS, DESCENTS = 400, 8
# Disturbances of the best batch; the search ends after `STALE_KICKS` of them in a row without a gain.
KICKS, STALE_KICKS = 1200, 300
# Worst targets on which all candidates of a swap are compared, and how many of them are compared on all hard
# targets.
SCREENED_TARGETS, SHORTLIST = 6, 256
# Worst targets on which swaps are compared once the list of hard targets is full.
FRESH_TARGETS = 256
# A sum must grow by this much to count as better: above the rounding of float64, below any dice that matters.
BETTER = 1e-9

Batch = list[int]


def search(
    problem: Problem,
    hard: HardTargets,
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
    best, value = settle(problem, hard, start, deadline)
    for batch in best_roundings(problem, hard, weights, rng):
        if value >= enough or time.monotonic() > deadline:
            return best
        found, worth = settle(problem, hard, batch, deadline)
        if worth > value + BETTER:
            best, value = found, worth
    stale = 0
    for _ in range(KICKS):
        if value >= enough or stale >= STALE_KICKS or time.monotonic() > deadline:
            break
        found, worth = settle(problem, hard, disturbed(hard, best, rng), deadline)
        stale = 0 if worth > value + BETTER else stale + 1
        if worth >= value:
            best, value = found, worth
    return best


def settle(problem: Problem, hard: HardTargets, batch: Batch, deadline: float) -> tuple[Batch, float]:
    """Improve a batch by swaps until none helps, check it on all targets, and go on where one of those turns
    out to be hard.

    Returns the best batch met and its true worst total.
    """
    best, value = batch, problem.worst(batch)
    while time.monotonic() <= deadline:
        batch = descend(hard, batch)
        totals = problem.totals(batch)
        worth = float(totals.min())
        if worth > value + BETTER:
            best, value = batch, worth
        if len(hard.members) >= LIMIT:
            return settle_afresh(problem, best, value, deadline)
        if not hard.add_worst(totals, float(hard.totals(batch).min()) - BETTER):
            break
    return best, value


def settle_afresh(problem: Problem, batch: Batch, value: float, deadline: float) -> tuple[Batch, float]:
    """Improve a batch by swaps where nearly every target is hard:
    look at the worst targets of the moment, one swap at a time."""
    while time.monotonic() <= deadline:
        totals = problem.totals(batch)
        swap = best_swap(
            HardTargets(problem, np.argsort(totals, kind="stable")[:FRESH_TARGETS].tolist()), batch
        )
        if swap is None:
            break
        changed = [*batch[: swap[0]], swap[1], *batch[swap[0] + 1 :]]
        worth = problem.worst(changed)
        if worth <= value + BETTER:
            break
        batch, value = changed, worth
    return batch, value


def descend(hard: HardTargets, batch: Batch) -> Batch:
    """Apply the best swap (one out, one in) until none raises the worst hard target."""
    batch = list(batch)
    while (swap := best_swap(hard, batch)) is not None:
        place, candidate = swap
        batch[place] = candidate
    return batch


def best_swap(hard: HardTargets, batch: Batch) -> tuple[int, int] | None:
    """Return (place in the batch, candidate to put there) of the swap with the highest worst hard target, or
    None if none helps."""
    total = hard.totals(batch)
    value, best = float(total.min()) + BETTER, None
    for place, member in enumerate(batch):
        without = total - hard.gains[:, member]
        worst = (
            np.argpartition(without, SCREENED_TARGETS)[:SCREENED_TARGETS]
            if len(without) > SCREENED_TARGETS
            else np.arange(len(without))
        )
        bound = (hard.gains[worst] + without[worst, None]).min(axis=0)
        bound[batch] = -np.inf
        hopeful = np.flatnonzero(bound > value)
        if len(hopeful) > SHORTLIST:
            hopeful = np.sort(hopeful[np.argpartition(-bound[hopeful], SHORTLIST)[:SHORTLIST]])
        if not len(hopeful):
            continue
        worth = (hard.gains[:, hopeful] + without[:, None]).min(axis=0)
        first = int(worth.argmax())
        if worth[first] > value:
            value, best = float(worth[first]), (place, int(hopeful[first]))
    return best


def best_roundings(
    problem: Problem, hard: HardTargets, weights: NDArray[np.float64], rng: np.random.Generator
) -> list[Batch]:
    """Draw batches with the relaxation's weights as odds and return those with the best worst hard target.

    weights: (C,) float64.
    Adding Gumbel noise to the log-weights and taking the b largest samples without replacement.
    """
    odds = np.log(np.maximum(weights, 1e-6 * max(weights.max(), 1e-12)))
    likely = np.sort(np.argsort(-odds, kind="stable")[: 10 * problem.budget + 200])
    sampled = np.argsort(-(odds[likely] + rng.gumbel(size=(ROUNDINGS, len(likely)))), axis=1, kind="stable")[
        :, : problem.budget
    ]
    batches = np.unique(np.sort(likely[sampled], axis=1), axis=0)
    worth = np.array([(hard.base + hard.gains[:, batch].sum(axis=1)).min() for batch in batches])
    return [
        [int(number) for number in batches[place]] for place in np.argsort(-worth, kind="stable")[:DESCENTS]
    ]


def disturbed(hard: HardTargets, batch: Batch, rng: np.random.Generator) -> Batch:
    """Replace a few random members by candidates that help the then worst target, of the best few."""
    count = min(len(batch), int(rng.integers(1, 5)))
    rest = [batch[place] for place in sorted(rng.permutation(len(batch))[count:])]
    while len(rest) < len(batch):
        total = hard.totals(rest)
        worst = np.argsort(total, kind="stable")[: int(rng.integers(1, 2 * SCREENED_TARGETS))]
        worth = (hard.gains[worst] + total[worst, None]).min(axis=0)
        worth[rest] = -np.inf
        top = np.argsort(-worth, kind="stable")[: min(6, len(worth) - len(rest))]
        rest.append(int(rng.choice(top)))
    return rest
