"""Upper bounds: the linear relaxation of the choice, its prices, and what they prove."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from model.selection.hard_targets import STEP, HardTargets
from model.selection.problem import Problem

# Rounds of the relaxation; each adds the violated targets and the missing candidates.
MAX_ROUNDS = 60
# Hard targets that the relaxation may ask for; unstructured pools would ask for nearly all, for little gain.
MAX_TARGETS = 256
# Relative distance between the relaxation's bound and its own worst target at which it counts as solved.
SOLVED = 1e-5
# Rounds without a relative improvement of the bound by `PROGRESS` after which the relaxation stops.
PATIENCE, PROGRESS = 4, 2e-4
# What the solver says when it gives up, and the decimals of the gains with which it is then asked once more.
GAVE_UP, ROUNDED = 4, 4
# Candidates to begin with and to add at a time; smaller pools enter whole.
START_CANDIDATES, MORE_CANDIDATES = 1500, 300


@dataclass(frozen=True)
class Relaxation:
    """The outcome of the relaxation.

    bound: on |Z| min p, proven for every batch.
    weights: (C,) float64 in [0, 1] that sum to the budget, how much of each candidate the relaxation takes.
    prices: (W,) float64 >= 0 that sum to 1, the weight of each hard target in the bound.
    """

    bound: float
    weights: NDArray[np.float64]
    prices: NDArray[np.float64]


def relax(problem: Problem, hard: HardTargets, deadline: float) -> Relaxation:
    """Solve max t, sum_z w_z d(x_z, x_j) + base_j >= t for all j, sum w = b, 0 <= w <= 1, with targets and
    candidates added as needed.

    `hard` grows by the targets that the relaxation needed.
    The bound holds whenever the search stops, since any prices prove one.
    """
    active = starting_candidates(problem, hard)
    best, stale = Relaxation(np.inf, np.zeros(len(problem.candidates)), np.zeros(0)), 0
    for _ in range(MAX_ROUNDS):
        solved = solve(problem, hard, active, deadline)
        if solved is None:
            break
        weights, prices = solved
        scores = prices @ hard.gains
        bound = priced_bound(problem, hard, prices, scores)
        stale = 0 if bound < best.bound * (1 - PROGRESS) else stale + 1
        if bound < best.bound:
            best = Relaxation(bound, weights, prices)
        totals = relaxed_totals(problem, weights)
        if (
            best.bound - totals.min() <= SOLVED * best.bound
            or stale >= PATIENCE
            or time.monotonic() > deadline
        ):
            break
        grown = entering(problem, active, scores)
        added = (
            hard.add_worst(totals, best.bound * (1 - SOLVED / 10), 2 * STEP)
            if len(hard.members) < MAX_TARGETS
            else 0
        )
        if not added and len(grown) == len(active):
            break
        active = grown
    if not best.prices.size:  # out of time before the first solution: equal prices still prove a bound
        equal = np.full(len(hard.members), 1 / len(hard.members))
        scores = equal @ hard.gains
        return Relaxation(priced_bound(problem, hard, equal, scores), scores, equal)
    return Relaxation(
        best.bound, best.weights, np.pad(best.prices, (0, len(hard.members) - len(best.prices)))
    )


def solve(
    problem: Problem, hard: HardTargets, active: NDArray[np.int64], deadline: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Solve the relaxation on the hard targets and active candidates;
    return weights (C,) and prices (W,), or None without a solution.

    There is none out of time, or where the solver gives up:
    on near ties it sometimes does, and is asked once more with rounded gains, which costs the bound nearly
    nothing, as prices are evaluated on the exact ones.
    """
    width, height = len(active), len(hard.members)
    table = np.c_[-hard.gains[:, active], np.ones(height)]
    for some in (table, table.round(ROUNDED)):
        result = linprog(
            np.r_[np.zeros(width), -1.0],
            A_ub=some,
            b_ub=hard.base,
            A_eq=np.r_[np.ones(width), 0.0][None],
            b_eq=[problem.budget],
            bounds=np.r_[np.tile([0.0, 1.0], (width, 1)), [[-np.inf, np.inf]]],
            method="highs-ds",
            options={"time_limit": max(0.1, deadline - time.monotonic())},
        )
        if result.status != GAVE_UP:
            break
    if result.status != 0:
        return None
    prices = np.clip(-result.ineqlin.marginals, 0, None)
    weights = np.zeros(len(problem.candidates))
    weights[active] = np.clip(result.x[:width], 0, 1)
    return weights, prices / prices.sum()


def priced_bound(
    problem: Problem, hard: HardTargets, prices: NDArray[np.float64], scores: NDArray[np.float64]
) -> float:
    """Return the bound that prices prove:
    the minimum is at most the priced mean, which the b best candidates maximise.

    prices: (W,) >= 0, sum 1; scores: (C,) = prices @ gains.
    Independent of the accuracy of the solver that found the prices.
    """
    return float(prices @ hard.base + np.sort(scores)[-problem.budget :].sum())


def cover_bound(problem: Problem, hard: HardTargets) -> float:
    """Return the bound from single targets:
    what the b best candidates give it, or the b best others where it is not chosen itself.

    Only b targets can be chosen, so the best batch is at most the (b+1)-th smallest bound of targets not
    chosen. It is sharp where nothing predicts a target but the target itself.
    """
    gains, budget = hard.gains.copy(), problem.budget
    everyone = hard.base + np.sort(gains, axis=1)[:, -budget:].sum(axis=1)
    own = np.searchsorted(problem.candidates, hard.members)
    itself = np.isin(hard.members, problem.candidates)
    gains[np.flatnonzero(itself), own[itself]] = -np.inf
    others = np.sort(hard.base + np.sort(gains, axis=1)[:, -budget:].sum(axis=1))
    unless_chosen = others[budget] if len(others) > budget else np.inf
    return float(min(everyone.min(), unless_chosen))


def relaxed_totals(problem: Problem, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return base_j + sum_z w_z d(x_z, x_j) for all targets: (C,) weights to (T,) float64."""
    used = np.flatnonzero(weights > 0)
    total: NDArray[np.float64] = problem.base + weights[used] @ problem.rows(used)
    return total


def starting_candidates(problem: Problem, hard: HardTargets) -> NDArray[np.int64]:
    """Return the candidates to begin with, ascending: those that add most to the hard targets on average."""
    count = len(problem.candidates)
    if count <= START_CANDIDATES:
        return np.arange(count)
    return np.sort(np.argsort(-hard.gains.mean(axis=0), kind="stable")[:START_CANDIDATES])


def entering(problem: Problem, active: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the active candidates and the best of those outside whose score, (C,), is above the price of a
    place in the batch."""
    price = np.sort(scores)[-problem.budget]
    outside = np.setdiff1d(np.flatnonzero(scores > price - SOLVED), active)
    best = outside[np.argsort(-scores[outside], kind="stable")[:MORE_CANDIDATES]]
    return np.union1d(active, best)


def worth_keeping(
    problem: Problem, scores: NDArray[np.float64], bound: float, value: float
) -> NDArray[np.int64]:
    """Return the candidates that a batch better than `value` may contain: (K,) int64, ascending.

    scores: (C,) = prices @ gains; bound: what these prices prove; value: of the best batch known.
    Replacing the weakest of the b best by another candidate lowers the bound by the difference of their
    scores (reduced costs).
    """
    last = np.sort(scores)[-problem.budget]
    return np.flatnonzero(bound - np.maximum(last - scores, 0) > value)
