"""What rivals measure, by hand: divergence, representation, entropy, distance."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import StrategyError
from model.similarity.bagging import draw_bag
from model.similarity.likeness import cosine_similarity
from model.strategies import get_strategy
from model.strategies.ensemble import (
    exhaustive_subset,
    greedy_subset,
    mean_kl_divergence,
    representation,
)
from model.strategies.farthest_first import farthest_first
from model.strategies.uncertainty import mean_entropy


def test_bags_hold_80_percent_and_at_least_one() -> None:
    random = np.random.default_rng(0)
    assert [len(draw_bag([f"{i}" for i in range(count)], random)) for count in (1, 3, 10)] == [1, 2, 8]


def test_networks_that_agree_have_no_divergence() -> None:
    output = np.random.default_rng(0).dirichlet([1, 1], (4, 4)).astype(np.float32).transpose(2, 0, 1)
    assert mean_kl_divergence(np.stack([output] * 4)) == pytest.approx(0.0, abs=1e-6)


def test_divergence_by_hand() -> None:
    outputs = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32).reshape(2, 2, 1, 1)
    assert mean_kl_divergence(outputs) == pytest.approx(np.log(2), abs=1e-4)


@given(st.integers(0, 500), st.integers(1, 4))
def test_exhaustive_search_is_the_best_subset_and_greedy_never_better(seed: int, budget: int) -> None:
    similarity = cosine_similarity(np.random.default_rng(seed).normal(size=(8, 3)).astype(np.float32))
    candidates = [0, 2, 3, 5, 6, 7]
    best = max(representation(similarity, subset) for subset in combinations(candidates, budget))
    assert representation(similarity, exhaustive_subset(similarity, candidates, budget)) == pytest.approx(
        best
    )
    greedy = greedy_subset(similarity, candidates, budget)
    assert len(set(greedy)) == budget
    assert representation(similarity, greedy) <= best + 1e-9


@given(st.integers(0, 500), st.integers(1, 3))
def test_what_is_represented_already_counts_in_both_searches(seed: int, budget: int) -> None:
    """A subset is worth what it adds to the labelled images."""
    similarity = cosine_similarity(np.random.default_rng(seed).normal(size=(9, 3)).astype(np.float32))
    candidates, covered = [0, 2, 3, 5, 6], similarity[[7, 8]].max(axis=0)
    worth = {
        subset: np.maximum(similarity[list(subset)].max(axis=0), covered).sum()
        for subset in combinations(candidates, budget)
    }
    best = exhaustive_subset(similarity, candidates, budget, covered)
    assert worth[tuple(best)] == pytest.approx(max(worth.values()))
    greedy = greedy_subset(similarity, candidates, budget, covered)
    assert worth[tuple(sorted(greedy))] <= max(worth.values()) + 1e-9


def test_the_search_is_a_setting() -> None:
    with pytest.raises(StrategyError, match="search"):
        get_strategy("ensemble", search="psychic")


def test_entropy_is_one_bit_for_a_coin_and_none_for_certainty() -> None:
    assert mean_entropy(np.full((2, 3, 3), 0.5, np.float32)) == pytest.approx(1.0)
    assert mean_entropy(np.stack([np.ones((3, 3)), np.zeros((3, 3))]).astype(np.float32)) == pytest.approx(
        0.0, abs=1e-4
    )


@pytest.mark.parametrize(
    ("centres", "order", "radii"),
    [
        ([0], [4, 2, 1, 3], [10.0, 5.0, 1.0, 1.0]),
        ([], [2, 0, 4, 1, 3], [np.inf, 5.0, 5.0, 1.0, 1.0]),
        ([0, 1, 2, 3, 4], [], []),
    ],
)
def test_farthest_first_on_a_line(centres: list[int], order: list[int], radii: list[float]) -> None:
    """Without any centre it begins where it is told to."""
    points = np.array([0.0, 1.0, 5.0, 9.0, 10.0])
    found = farthest_first(lambda index: np.abs(points - points[index]), centres, first=2, count=5)
    assert found == (order, radii)
