"""The optimum is proven by an integer program, with bounds that hold whenever the time ends."""

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, milp

from model.selection import active_set, expected_dice, greedy, local_search, maximin, proof, relaxation
from model.selection.active_set import ActiveSet
from model.selection.local_search import descend, descend_on_all
from model.selection.problem import pose
from model.selection.proof import in_background, prove
from model.selection.relaxation import GAVE_UP, cover_bound, dual_bound, relax
from tests.model.selection.exhaustive_search import exhaustive
from tests.model.selection.similarities import (
    CLOSE,
    POOLS,
    Matrix,
    completed,
    grouped,
    nearly_equal,
    solved,
    uniform,
)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(sorted(POOLS)),
    st.integers(0, 10_000),
    st.integers(1, 4),
    st.integers(0, 2),
    st.sampled_from([0, 1, 5_000]),
)
def test_the_proof_is_right_whenever_it_ends(
    kind: str, seed: int, budget: int, known: int, nodes: int
) -> None:
    """However little it may search, its bound holds and its batch is what it claims;
    where it may do all, it is the best, found from a poor start and two targets."""
    matrix = POOLS[kind](12, seed)
    problem = pose(matrix, list(range(known)), budget)
    active = ActiveSet(problem, [0, 5])
    best = exhaustive(matrix, list(range(known)), budget).value * problem.size
    first = dual_bound(problem, active, np.full(2, 0.5), np.full(2, 0.5) @ active.gains)
    start = list(range(budget))
    batch, bound = prove(problem, active, np.arange(12 - known), start, first, CLOSE, math.inf, nodes)
    assert problem.worst(start) - 1e-9 <= problem.worst(batch) <= best + 1e-9
    assert bound >= best - 1e-9
    if nodes == 5_000:
        assert problem.worst(batch) == pytest.approx(best, abs=2 * CLOSE)
        assert bound == pytest.approx(best, abs=2e-5)


def test_each_program_gets_no_more_than_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a pool without structure, of which nothing can be proven in it, keeps the bound of the relaxation,
    true as it is."""
    limits: list[float] = []

    def without_time(costs: Matrix, **options: Any) -> Any:
        limits.append(options["options"]["time_limit"])
        return milp(costs, **{**options, "options": {"time_limit": 0.0}})

    monkeypatch.setattr(proof, "milp", without_time)
    matrix = uniform(40)
    found = maximin(matrix, [], 3, time_limit=20.0)
    assert [0 < limit <= 20.0 for limit in limits] == [True]
    assert found.upper_bound >= exhaustive(matrix, [], 3).value - 1e-9


def test_what_fails_in_the_background_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        in_background(lambda number: 1 / number, 0)


def test_the_program_closes_what_the_relaxation_leaves_open() -> None:
    """The relaxation alone is 3 % away."""
    matrix = completed(100)
    problem, _, active = solved(matrix, 5)
    found = maximin(matrix, [], 5)
    assert found.optimal
    assert found.value > greedy(matrix, [], 5).value
    assert relax(problem, active, math.inf).bound / 5 > 1.03 * found.value


def test_near_ties_are_solved() -> None:
    """The solver gives up on a few relaxations of this pool, and is asked again."""
    found = maximin(nearly_equal(200, 4, 1e-6), [], 6, nodes=0)
    assert found.value == pytest.approx(0.55, abs=1e-5), "two images of two groups, one of each other"
    assert found.upper_bound == pytest.approx(0.575, abs=1e-5)


def test_a_solver_that_gives_up_is_asked_again_with_rounded_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimum is found and proven all the same, on the exact gains."""

    def reluctant(costs: Matrix, **options: Any) -> Any:
        result = linprog(costs, **options)
        if not np.array_equal(options["A_ub"], options["A_ub"].round(4)):
            result.status = GAVE_UP
        return result

    matrix = grouped(20, seed=4)
    best = exhaustive(matrix, [], 3)
    monkeypatch.setattr(relaxation, "linprog", reluctant)
    found = maximin(matrix, [], 3)
    assert found.value == pytest.approx(best.value, abs=CLOSE)
    assert found.upper_bound == pytest.approx(best.value, abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(POOLS)), st.integers(0, 10_000), st.integers(1, 3))
def test_each_bound_holds_on_its_own(kind: str, seed: int, budget: int) -> None:
    """Neither the relaxation, nor any duals, nor single targets ever promise less than the optimum."""
    matrix = POOLS[kind](10, seed)
    problem, _, active = solved(matrix, budget)
    best = exhaustive(matrix, [], budget).value * problem.size
    duals = np.random.default_rng(seed).dirichlet(np.ones(len(active.members)))
    assert relax(problem, active, time.monotonic() + 10).bound >= best - 1e-9
    assert dual_bound(problem, active, duals, duals @ active.gains) >= best - 1e-9
    assert cover_bound(problem, active) >= best - 1e-9


def test_a_relaxation_without_time_still_gives_a_valid_bound() -> None:
    """A deadline in the past costs quality, never truth."""
    matrix = grouped(30)
    found = maximin(matrix, [], 3, time_limit=0.0)
    assert found.upper_bound >= exhaustive(matrix, [], 3).value
    assert found.value >= greedy(matrix, [], 3).value - 1e-9


def test_swaps_never_lower_the_worst_target() -> None:
    """Descent on the active targets and on all of them only improve."""
    matrix = uniform(60, seed=1)
    problem, batch, active = solved(matrix, 5)
    assert active.totals(descend(active, batch)).min() >= active.totals(batch).min()
    found, value = descend_on_all(problem, active, batch, time.monotonic() + 5)
    assert value == problem.worst(found) >= problem.worst(batch)


def test_search_goes_on_when_the_active_set_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool of which nearly every target belongs there is still searched, and keeps a true value."""
    monkeypatch.setattr(active_set, "LIMIT", 40)
    monkeypatch.setattr(local_search, "LIMIT", 40)
    matrix = uniform(150, seed=4)
    found = maximin(matrix, [], 6, time_limit=1.0)
    assert found.value > greedy(matrix, [], 6).value
    assert found.value == pytest.approx(expected_dice(matrix, found.indices).min())
