"""The order that covers most: against greedy search over the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.selection import greedy_cover
from model.selection.greedy_cover import cover_greedily


def pairs(count: int, seed: int) -> np.ndarray:
    """How near positions are to each other: float32 (N, N), 1 on the diagonal."""
    points = np.random.default_rng(seed).normal(size=(count, 3))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    return np.exp(-(distances**2)).astype(np.float32)


@given(st.integers(1, 40), st.integers(0, 5), st.booleans(), st.integers(0, 1000))
def test_each_position_adds_most_to_the_weighted_cover(
    count: int, labelled: int, weighted: bool, seed: int
) -> None:
    """With weights, some of them 0, and without; and it tells how many each is nearest to."""
    near = pairs(count, seed)
    weights = np.maximum(0, np.random.default_rng(seed).normal(size=count)).astype(np.float32)
    known = list(range(labelled % count))
    covering = cover_greedily(
        lambda places: near[places], count, known, weights=weights if weighted else None
    )
    assert sorted(covering.order + known) == list(range(count))
    cover = near[known].max(axis=0) if known else np.zeros(count)
    for place, represents in zip(covering.order, covering.represents, strict=True):
        gains = np.maximum(near - cover, 0) @ (weights if weighted else np.ones(count))
        assert gains[place] >= np.delete(gains, known).max() - 2e-3
        assert represents == np.count_nonzero(near[place] > cover + greedy_cover.SEEN)
        cover = np.maximum(cover, near[place])
        known.append(place)


def test_ties_go_by_position_and_a_weight_of_nothing_is_an_order_too() -> None:
    """Duplicates, and no x that counts."""
    near = np.ones((4, 4), np.float32)
    assert cover_greedily(lambda places: near[places], 4, []).order == [0, 1, 2, 3]
    nothing = np.zeros(4, np.float32)
    assert cover_greedily(lambda places: near[places], 4, [1], weights=nothing).order == [0, 2, 3]
    assert cover_greedily(lambda places: near[places], 4, range(4)).order == []


@pytest.mark.parametrize("weight", [1e-5, 1, 1000])
def test_the_order_does_not_depend_on_how_large_all_weights_are(weight: float) -> None:
    near = pairs(30, 1)
    weights = np.random.default_rng(0).uniform(0.5, 1, 30).astype(np.float32)
    plain = cover_greedily(lambda places: near[places], 30, [3], weights=weights)
    assert cover_greedily(lambda places: near[places], 30, [3], weights=weights * weight).order == plain.order


def test_what_comes_after_the_exact_steps_goes_by_what_it_adds_to_them() -> None:
    """And so does the number that each represents."""
    near = pairs(30, 1)
    exact = cover_greedily(lambda places: near[places], 30, [3])
    rough = cover_greedily(lambda places: near[places], 30, [3], exact_steps=5)
    assert rough.order[:5] == exact.order[:5]
    cover = near[[3, *rough.order[:5]]].max(axis=0)
    gains = np.round(np.maximum(near - cover, 0).sum(axis=1), 3)[rough.order[5:]]
    assert (np.diff(gains) <= 0).all()
    assert sorted([3, *rough.order]) == list(range(30))
