"""The batch is the best there is, proven so, independent of the order of the images;
the ranking starts with it and explains itself."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import BudgetError, PoolError
from model.selection import Selection, expected_dice, greedy, maximin, rank
from model.selection.greedy_search import greedy_order, row_means
from model.selection.problem import pose
from model.selection.ranking import ranked_rows
from tests.model.selection.exhaustive_search import exhaustive
from tests.model.selection.similarities import (
    CLOSE,
    POOLS,
    Matrix,
    completed,
    grouped,
    lonely,
    small_pools,
    uniform,
)

# The optimum and its proof


@settings(max_examples=50, deadline=None)
@given(small_pools())
def test_a_small_pool_is_solved_like_the_papers_exhaustive_search(
    pool: tuple[Matrix, list[int], int],
) -> None:
    """The value equals the exhaustive optimum, greedy is never better, and the bound is between optimum and
    1. Every searcher reports what Eq. 3 gives for its batch, and returns as many new images as asked."""
    matrix, labelled, budget = pool
    found = maximin(matrix, labelled, budget)
    best, quick = exhaustive(matrix, labelled, budget), greedy(matrix, labelled, budget)
    assert found.value == pytest.approx(best.value, abs=CLOSE)
    assert found.optimal
    assert found.upper_bound >= max(found.value, best.value - 1e-9)
    assert found.value >= quick.value - 1e-9
    for each in (found, best, quick):
        assert len(set(each.indices) - set(labelled)) == budget == len(each.indices)
        assert each.value == pytest.approx(expected_dice(matrix, [*labelled, *each.indices]).min())


# Order, ties, seeds


@settings(max_examples=20, deadline=None)
@given(small_pools(), st.integers(0, 10_000))
def test_the_order_of_the_images_does_not_matter(pool: tuple[Matrix, list[int], int], seed: int) -> None:
    """Shuffled input with the same ids gives the same images, in the batch and in the ranking."""
    matrix, labelled, budget = pool
    ids = [f"image {number:02d}" for number in range(len(matrix))]
    shuffle = np.random.default_rng(seed).permutation(len(matrix))
    place = np.argsort(shuffle)
    moved = rank(
        matrix[np.ix_(shuffle, shuffle)],
        place[labelled].tolist(),
        budget,
        ids=[ids[number] for number in shuffle],
    )
    original = rank(matrix, labelled, budget, ids=ids)
    assert [int(shuffle[position]) for position in moved.selection.indices] == list(
        original.selection.indices
    )
    assert [int(shuffle[position]) for position in moved.indices] == list(original.indices)
    for one, other in zip(moved.images, original.images, strict=True):
        assert one.value_after == other.value_after
        assert [int(shuffle[position]) for position in one.helps] == list(other.helps)


def test_the_order_does_not_matter_in_a_larger_pool() -> None:
    """Also where relaxation, random search and a proof that ends at its limit of nodes decide."""
    matrix = completed(100)
    shuffle = np.random.default_rng(1).permutation(100)
    ids = [f"{number:03d}" for number in range(100)]
    original = maximin(matrix, [7], 8, ids=ids, nodes=20)
    moved = maximin(
        matrix[np.ix_(shuffle, shuffle)],
        [int(np.argsort(shuffle)[7])],
        8,
        ids=[ids[number] for number in shuffle],
        nodes=20,
    )
    assert tuple(int(shuffle[position]) for position in moved.indices) == original.indices
    assert moved.upper_bound == original.upper_bound


def test_duplicates_are_chosen_by_id() -> None:
    """Where all images are alike, the smallest ids are taken, in their order."""
    matrix = np.full((6, 6), 0.5)
    np.fill_diagonal(matrix, 1)
    ranking = rank(matrix, [], 2, ids=["f", "e", "d", "c", "b", "a"])
    assert ranking.selection.indices == (5, 4)
    assert ranking.indices == (5, 4, 3, 2, 1, 0)


def test_where_the_worst_target_cannot_be_helped_the_mean_decides() -> None:
    """More hopeless images than labels: the batch still is the one that helps the others most."""
    matrix = np.zeros((8, 8))
    matrix[3, 4:] = 0.9
    np.fill_diagonal(matrix, 1)
    found = maximin(matrix, [], 1)
    assert found.indices == (3,)
    assert (found.value, found.gap, found.optimal) == (0.0, 0.0, True)


def test_the_same_seed_gives_the_same_batch_and_any_seed_the_same_value_where_proven() -> None:
    """Chance decides neither a repeated run nor a proven value."""
    matrix = completed(40)
    first = maximin(matrix, [], 4, seed=1)
    assert maximin(matrix, [], 4, seed=1) == first
    other = maximin(matrix, [], 4, seed=2)
    assert first.optimal
    assert other.value == pytest.approx(first.value, abs=CLOSE)


def test_float32_and_float64_agree() -> None:
    """The precision of the input does not change the choice."""
    matrix = grouped(30).astype(np.float32)
    assert maximin(matrix, [], 3).indices == maximin(matrix.astype(np.float64), [], 3).indices


# Targets, budgets, boundaries


def test_images_nobody_predicts_are_picked_themselves() -> None:
    """Where the budget allows it, the only cure is taken."""
    found = maximin(lonely(60), [], 4)
    assert {0, 1} <= set(found.indices)
    assert found.value > 0.1
    assert found.optimal


@pytest.mark.parametrize(
    ("labelled", "budget"), [([], 0), ([], -1), ([0, 1], 4), ([], 6), ([0, 1, 2, 3, 4], 1)]
)
def test_a_budget_outside_the_pool_names_both_numbers(labelled: list[int], budget: int) -> None:
    """The message says what was asked for and what there is."""
    with pytest.raises(BudgetError, match=rf"budget {budget} .* {5 - len(labelled)}: ask for"):
        maximin(uniform(5), labelled, budget)


@pytest.mark.parametrize("labelled", [[], [0, 3]])
def test_a_budget_of_all_unlabelled_images_takes_them_all(labelled: list[int]) -> None:
    """No choice is left, so the result is proven."""
    matrix = uniform(6)
    found = maximin(matrix, labelled, 6 - len(labelled))
    assert sorted([*labelled, *found.indices]) == list(range(6))
    assert found.optimal
    assert found.value == pytest.approx(matrix.mean(axis=0).min())


def test_a_pool_of_one_image_works() -> None:
    """The smallest pool."""
    ranking = rank([[1.0]], [], 1)
    assert ranking.indices == (0,)
    assert ranking.selection.value == 1.0


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), r"square .* \(2, 3\)"),
        (np.ones(4), "square"),
        (np.empty((0, 0)), "square"),
        (np.array([[1, np.nan], [0, 1]]), "finite"),
        (np.array([[1, np.inf], [0, 1]]), "finite"),
        (np.array([[1, 1.1], [0, 1]]), r"\[0, 1\]"),
        (np.array([[1, -0.1], [0, 1]]), r"\[0, 1\]"),
    ],
)
def test_a_malformed_similarity_is_refused(matrix: Matrix, message: str) -> None:
    """Shape, finiteness and range are checked before anything is computed."""
    with pytest.raises(ValueError, match=message):
        maximin(matrix, [], 1)


@pytest.mark.parametrize("positions", [[0, 0], [5], [-1], [0.5]])
def test_malformed_positions_are_refused(positions: list[int]) -> None:
    """Duplicates, places outside the pool and fractions are programming errors."""
    with pytest.raises(ValueError, match="labelled"):
        maximin(uniform(5), positions, 1)


def test_duplicate_and_missing_ids_are_refused() -> None:
    """An id names one image."""
    with pytest.raises(PoolError, match="'b'"):
        maximin(uniform(3), [], 1, ids=["a", "b", "b"])
    with pytest.raises(ValueError, match="3 images, found 2"):
        maximin(uniform(3), [], 1, ids=["a", "b"])


def test_expected_dice_is_the_mean_row_and_zero_without_labels() -> None:
    """Eq. 3 by hand."""
    matrix = np.array([[1, 0.2], [0.4, 1]])
    assert expected_dice(matrix, [0, 1]).tolist() == [0.7, 0.6]
    assert expected_dice(matrix, []).tolist() == [0, 0]


def test_the_input_is_left_as_it_was() -> None:
    """Neither matrix nor lists are changed."""
    matrix, labelled = uniform(20), [3, 1]
    before = matrix.copy()
    rank(matrix, labelled, 2, ids=[str(99 - number) for number in range(20)])
    assert (matrix == before).all()
    assert labelled == [3, 1]


def test_gap_and_text_of_a_selection() -> None:
    """The gap is relative, infinite above a value of 0, and the text says what is proven."""
    assert Selection((1,), 0.5, 0.6).gap == pytest.approx(0.2)
    assert Selection((1,), 0.0, 0.1).gap == math.inf
    proven, open_ended = str(Selection((1,), 0.5, 0.5)), str(Selection((1,), 0.5, 0.6))
    assert ("0.5000" in proven, "optimal" in proven) == (True, True)
    assert ("0.6000" in open_ended, "optimal" in open_ended) == (True, False)


# Greedy order and ranking


@settings(max_examples=30, deadline=None)
@given(small_pools())
def test_screened_greedy_equals_plain_greedy(pool: tuple[Matrix, list[int], int]) -> None:
    """Looking at a few targets first changes the time, not the order."""
    matrix, labelled, _ = pool
    problem = pose(matrix, labelled, 1)
    means, totals, rest, plain = (
        row_means(problem.gains),
        problem.base.copy(),
        problem.candidates.tolist(),
        [],
    )
    while rest:
        worth = {
            row: (-round(float((totals + problem.gains[row] - totals.min()).min()) / 1e-6), -means[row], row)
            for row in rest
        }
        plain.append(min(rest, key=lambda row: worth[row]))
        totals += problem.gains[plain[-1]]
        rest.remove(plain[-1])
    assert greedy_order(problem.gains, means, problem.base, problem.candidates, len(plain)) == plain


def test_screened_greedy_equals_plain_greedy_with_many_targets() -> None:
    """The same where there are more targets than are screened."""
    matrix = uniform(120, seed=6)
    totals, chosen = np.zeros(120), list[int]()
    for _ in range(10):
        worth = (matrix + totals).min(axis=1)
        worth[chosen] = -1
        chosen.append(int(worth.argmax()))
        totals += matrix[chosen[-1]]
    assert greedy_order(matrix, row_means(matrix), np.zeros(120), np.arange(120), 10) == chosen


@settings(max_examples=20, deadline=None)
@given(small_pools())
def test_the_ranking_is_the_batch_and_then_every_other_unlabelled_image_with_the_figures_of_equation_3(
    pool: tuple[Matrix, list[int], int],
) -> None:
    """A permutation of the unlabelled images that starts with the batch, numbered from 1;
    before, after, helped images and represented images are recomputed by hand."""
    matrix, labelled, budget = pool
    ranking = rank(matrix, labelled, budget)
    assert sorted([*ranking.indices, *labelled]) == list(range(len(matrix)))
    assert sorted(ranking.indices[:budget]) == list(ranking.selection.indices)
    assert [image.rank for image in ranking.images] == list(range(1, len(ranking.images) + 1))
    assert [image.in_batch for image in ranking.images] == [image.rank <= budget for image in ranking.images]
    chosen = list(labelled)
    for image in ranking.images:
        before, after = expected_dice(matrix, chosen), expected_dice(matrix, [*chosen, image.index])
        nearest = matrix[chosen].max(axis=0) if chosen else np.full(len(matrix), -1.0)
        assert image.value_before == pytest.approx(before.min())
        assert image.value_after == pytest.approx(after.min())
        assert image.represents == (matrix[image.index] > nearest).sum()
        chosen.append(image.index)
        raised = after - before
        others = [other for other in np.argsort(-raised) if other not in chosen and raised[other] > 1e-12]
        assert raised[list(image.helps)] == pytest.approx(raised[others[:3]])
        first = image.helps[0] if image.helps else None
        assert image.raised == (None if first is None else pytest.approx((before[first], after[first])))


def test_the_batch_ends_at_its_value() -> None:
    """The worst expected dice after the last image of the batch is the value of the selection."""
    ranking = rank(grouped(30), [5], 4)
    assert ranking.images[3].value_after == pytest.approx(ranking.selection.value)


@pytest.mark.parametrize("kind", ["uniform", "grouped", "lonely"])
def test_every_prefix_is_better_than_the_order_of_the_ids(kind: str) -> None:
    """On average over the prefixes, labelling by rank beats labelling as the images come."""
    matrix = POOLS[kind](60, seed=3)
    by_rank = [image.value_after for image in rank(matrix, [], 5, nodes=20).images[:-1]]
    by_id = [expected_dice(matrix, range(number)).min() for number in range(1, 60)]
    assert np.mean(by_rank) > np.mean(by_id)


def test_the_tail_of_a_large_pool_is_complete_repeatable_and_better_than_chance() -> None:
    """Beyond the exact steps each image still comes once, and prefixes are better than random ones."""
    matrix = grouped(300, seed=2).astype(np.float32)
    problem = pose(matrix, [], 5)
    order = ranked_rows(problem, range(5), 10)
    assert sorted(order) == list(range(300))
    assert ranked_rows(problem, range(5), 10) == order
    chance = np.random.default_rng(0).permutation(300)
    for number in (40, 80, 120):
        assert (
            expected_dice(matrix, order[:number]).min()
            > expected_dice(matrix, chance[:number].tolist()).min()
        )
