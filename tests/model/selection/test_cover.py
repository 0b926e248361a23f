"""The batch that covers all images best by the best teacher of each, its proof, and the order after it."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.selection import Objective, rank
from model.selection.cover import Cover
from model.selection.objective import WORST_SHARE
from model.selection.problem import FloatArray, pose
from tests.model.selection.similarities import Matrix, grouped, small_pools

COVERING = [Objective.MEAN_MAX, Objective.WORST_FIFTH_MAX]


def reach(matrix: FloatArray, chosen: list[int], objective: Objective) -> float:
    """By hand: the best teacher of each image, and the images that count."""
    expected = np.sort(matrix[chosen].max(axis=0)) if chosen else np.zeros(len(matrix))
    counted = len(expected) if objective is Objective.MEAN_MAX else max(1, len(expected) // WORST_SHARE)
    return float(expected[:counted].mean())


def worth(matrix: FloatArray, chosen: list[int], objective: Objective) -> tuple[float, float]:
    """What it reaches, to within a tie, and what that is over all images."""
    return round(reach(matrix, chosen, objective), 6), reach(matrix, chosen, Objective.MEAN_MAX)


@settings(max_examples=50, deadline=None)
@given(small_pools(), st.sampled_from(COVERING))
def test_no_batch_is_above_the_bound_and_every_place_has_its_figures(
    pool: tuple[Matrix, list[int], int], objective: Objective
) -> None:
    """Of all batches of a small pool. Of the gain in the mean a greedy batch reaches 1 - 1/e at least."""
    matrix, labelled, budget = pool
    free = [place for place in range(len(matrix)) if place not in labelled]
    best = max(reach(matrix, [*labelled, *batch], objective) for batch in combinations(free, budget))
    ranking = rank(matrix, labelled, budget, objective=objective)
    found = ranking.selection
    assert found.value == pytest.approx(reach(matrix, [*labelled, *found.indices], objective))
    assert found.upper_bound >= best - 1e-9
    assert found.value <= best + 1e-9
    if objective is Objective.MEAN_MAX:
        before = reach(matrix, labelled, objective)
        assert found.value - before >= (1 - np.exp(-1)) * (best - before) - 1e-9
    assert sorted(ranking.indices) == free
    assert sorted(ranking.indices[:budget]) == list(found.indices)
    chosen = list(labelled)
    for image in ranking.images:
        assert image.value_before == pytest.approx(reach(matrix, chosen, objective))
        chosen.append(image.index)
        assert image.value_after == pytest.approx(reach(matrix, chosen, objective))
        assert image.value_after >= image.value_before


@settings(max_examples=20, deadline=None)
@given(small_pools(), st.integers(0, 10_000), st.sampled_from(COVERING))
def test_the_order_of_the_images_does_not_matter(
    pool: tuple[Matrix, list[int], int], seed: int, objective: Objective
) -> None:
    matrix, labelled, budget = pool
    ids = [f"image {number:02d}" for number in range(len(matrix))]
    shuffle = np.random.default_rng(seed).permutation(len(matrix))
    moved = rank(
        matrix[np.ix_(shuffle, shuffle)],
        np.argsort(shuffle)[labelled].tolist(),
        budget,
        ids=[ids[number] for number in shuffle],
        objective=objective,
    )
    original = rank(matrix, labelled, budget, ids=ids, objective=objective)
    assert [int(shuffle[position]) for position in moved.indices] == list(original.indices)
    assert moved.selection.upper_bound == pytest.approx(original.selection.upper_bound)


@pytest.mark.parametrize(("objective", "count"), [(Objective.MEAN_MAX, 150), (Objective.WORST_FIFTH_MAX, 40)])
def test_a_batch_is_proven_and_better_than_greedy_ones_and_every_prefix_than_chance(
    objective: Objective, count: int
) -> None:
    """Lazy evaluation finds what comparing all images finds."""
    matrix = grouped(count, seed=1).astype(np.float32)
    ranking = rank(matrix, [4, 9], 6, objective=objective)
    greedy = [4, 9]
    for _ in range(6):
        free = [place for place in range(count) if place not in greedy]
        greedy.append(max(free, key=lambda one: worth(matrix, [*greedy, one], objective)))
    problem = pose(matrix, [4, 9], 6)
    cover = Cover(problem, objective)
    for row in greedy[2:]:
        chosen, _ = cover.find_next(np.setdiff1d(problem.candidates, greedy[2 : greedy.index(row)]))
        assert chosen == row
        cover.add(chosen)
    assert ranking.selection.value >= reach(matrix, greedy, objective) - 1e-6
    assert ranking.selection.gap <= 0.05
    chance = np.random.default_rng(0).permutation(count).tolist()
    for size in (6, 12, 20):
        prefix = [4, 9, *ranking.indices[:size]]
        assert reach(matrix, prefix, objective) > reach(matrix, [4, 9, *chance[:size]], objective)


@pytest.mark.parametrize("objective", COVERING)
@pytest.mark.parametrize("labelled", [[], [2]])
def test_images_that_are_all_the_same_come_by_id(objective: Objective, labelled: list[int]) -> None:
    """Nothing adds anything after the first; so do images that teach each other nothing."""
    ids = list("fedcba")
    for matrix in (np.ones((6, 6)), np.eye(6)):
        ranking = rank(matrix, labelled, 2, ids=ids, objective=objective)
        assert list(ranking.indices) == [place for place in (5, 4, 3, 2, 1, 0) if place not in labelled]


@pytest.mark.parametrize("objective", COVERING)
def test_a_budget_as_large_as_the_pool_is_everything(objective: Objective) -> None:
    ranking = rank(grouped(12), [3], 11, objective=objective)
    assert (ranking.selection.value, ranking.selection.optimal) == (1.0, True)
    assert all(image.in_batch for image in ranking.images)
