"""Upper bounds: the linear relaxation of the choice, solved by cutting planes and column generation, its dual
values, and what they prove."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from model.selection.active_set import STEP, ActiveSet
from model.selection.problem import Problem

# Rounds of the relaxation; each adds the violated targets and the missing candidates.
MAX_ROUNDS = 60
# Active targets that the relaxation may ask for; unstructured pools would ask for all, for little gain.
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
    duals: (W,) float64 >= 0 that sum to 1, the weight of each active target in the bound.
    """

    bound: float
    weights: NDArray[np.float64]
    duals: NDArray[np.float64]


def relax(problem: Problem, active: ActiveSet, deadline: float) -> Relaxation:
    """Solve max t, sum_z w_z d(x_z, x_j) + base_j >= t for all j, sum w = b, 0 <= w <= 1, with targets and
    candidates added as needed.

    `active` grows by the targets that the relaxation needed.
    The bound holds whenever the search stops, since any dual values prove one.
    """
    columns = starting_candidates(problem, active)
    best, stale = Relaxation(np.inf, np.zeros(len(problem.candidates)), np.zeros(0)), 0
    for _ in range(MAX_ROUNDS):
        solved = solve(problem, active, columns, deadline)
        if solved is None:
            break
        weights, duals = solved
        scores = duals @ active.gains
        bound = dual_bound(problem, active, duals, scores)
        stale = 0 if bound < best.bound * (1 - PROGRESS) else stale + 1
        if bound < best.bound:
            best = Relaxation(bound, weights, duals)
        totals = relaxed_totals(problem, weights)
        if (
            best.bound - totals.min() <= SOLVED * best.bound
            or stale >= PATIENCE
            or time.monotonic() > deadline
        ):
            break
        grown = price_columns(problem, columns, scores)
        added = (
            active.add_cuts(totals, best.bound * (1 - SOLVED / 10), 2 * STEP)
            if len(active.members) < MAX_TARGETS
            else 0
        )
        if not added and len(grown) == len(columns):
            break
        columns = grown
    if not best.duals.size:  # out of time before the first solution: equal dual values still prove a bound
        equal = np.full(len(active.members), 1 / len(active.members))
        scores = equal @ active.gains
        return Relaxation(dual_bound(problem, active, equal, scores), scores, equal)
    return Relaxation(
        best.bound, best.weights, np.pad(best.duals, (0, len(active.members) - len(best.duals)))
    )


def solve(
    problem: Problem, active: ActiveSet, columns: NDArray[np.int64], deadline: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Solve the relaxation on the active targets and the candidates `columns`;
    return weights (C,) and dual values (W,), or None without a solution.

    There is none out of time, or where the solver gives up:
    on near ties it sometimes does, and is asked once more with rounded gains, which costs the bound nearly
    nothing, as duals are evaluated on the exact ones.
    """
    width, height = len(columns), len(active.members)
    table = np.c_[-active.gains[:, columns], np.ones(height)]
    for some in (table, table.round(ROUNDED)):
        result = linprog(
            np.r_[np.zeros(width), -1.0],
            A_ub=some,
            b_ub=active.base,
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
    duals = np.clip(-result.ineqlin.marginals, 0, None)
    weights = np.zeros(len(problem.candidates))
    weights[columns] = np.clip(result.x[:width], 0, 1)
    return weights, duals / duals.sum()


def dual_bound(
    problem: Problem, active: ActiveSet, duals: NDArray[np.float64], scores: NDArray[np.float64]
) -> float:
    """Return the bound that dual values prove:
    the minimum is at most the mean weighted by them, which the b best candidates maximise.

    duals: (W,) >= 0, sum 1; scores: (C,) = duals @ gains.
    Independent of the accuracy of the solver that found the duals.
    """
    return float(duals @ active.base + np.sort(scores)[-problem.budget :].sum())


def cover_bound(problem: Problem, active: ActiveSet) -> float:
    """Return the bound from single targets:
    what the b best candidates give it, or the b best others where it is not chosen itself.

    Only b targets can be chosen, so the best batch is at most the (b+1)-th smallest bound of targets not
    chosen. It is sharp where nothing predicts a target but the target itself.
    """
    gains, budget = active.gains.copy(), problem.budget
    everyone = active.base + np.sort(gains, axis=1)[:, -budget:].sum(axis=1)
    own = np.searchsorted(problem.candidates, active.members)
    itself = np.isin(active.members, problem.candidates)
    gains[np.flatnonzero(itself), own[itself]] = -np.inf
    others = np.sort(active.base + np.sort(gains, axis=1)[:, -budget:].sum(axis=1))
    unless_chosen = others[budget] if len(others) > budget else np.inf
    return float(min(everyone.min(), unless_chosen))


def relaxed_totals(problem: Problem, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return base_j + sum_z w_z d(x_z, x_j) for all targets: (C,) weights to (T,) float64."""
    used = np.flatnonzero(weights > 0)
    total: NDArray[np.float64] = problem.base + weights[used] @ problem.rows(used)
    return total


def starting_candidates(problem: Problem, active: ActiveSet) -> NDArray[np.int64]:
    """Return the candidates to begin with, ascending: those that add most to the active targets."""
    count = len(problem.candidates)
    if count <= START_CANDIDATES:
        return np.arange(count)
    return np.sort(np.argsort(-active.gains.mean(axis=0), kind="stable")[:START_CANDIDATES])


def price_columns(
    problem: Problem, columns: NDArray[np.int64], scores: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Pricing: the columns, and the best candidates outside whose score, (C,), is above that of the last
    place in the batch."""
    last = np.sort(scores)[-problem.budget]
    outside = np.setdiff1d(np.flatnonzero(scores > last - SOLVED), columns)
    best = outside[np.argsort(-scores[outside], kind="stable")[:MORE_CANDIDATES]]
    return np.union1d(columns, best)


def fix_by_reduced_costs(
    problem: Problem, scores: NDArray[np.float64], bound: float, value: float
) -> NDArray[np.int64]:
    """Return the candidates that a batch better than `value` may contain: (K,) int64, ascending.

    scores: (C,) = duals @ gains; bound: what these duals prove; value: of the best batch known.
    Replacing the weakest of the b best by another candidate lowers the bound by the difference of their
    scores (reduced costs).
    """
    last = np.sort(scores)[-problem.budget]
    return np.flatnonzero(bound - np.maximum(last - scores, 0) > value)
