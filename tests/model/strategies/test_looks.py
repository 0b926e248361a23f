"""The order by looks, before there are labels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.reason import Kind, Reason
from model.similarity.appearance import standardise
from model.similarity.round import Round
from model.strategies import get_strategy
from model.strategies.farthest_first import farthest_first
from model.strategies.looks import herd
from tests.model.conftest import Images, again
from tests.model.unreadable_images import UnreadableImages


def groups(*sizes: int, seed: int = 0, features: int = 20) -> np.ndarray:
    """Vectors around as many centres as there are sizes, one group after the other: float32 (N, features)."""
    random = np.random.default_rng(seed)
    centres = random.normal(0, 3, (len(sizes), features)) * [[2.0 if size == 1 else 1.0] for size in sizes]
    return standardise(
        [
            centres[kind] + random.normal(0, 1, features)
            for kind, size in enumerate(sizes)
            for _ in range(size)
        ]
    )


@pytest.mark.parametrize("seed", range(5))
def test_each_appearance_comes_early_and_single_oddities_do_not(seed: int) -> None:
    """Three groups and three images like no other: farthest first begins with the odd ones."""
    vectors = groups(16, 9, 8, 1, 1, 1, seed=seed)
    order = herd(vectors, [])
    assert {0 if place < 16 else 1 if place < 25 else 2 for place in order[:3]} == {0, 1, 2}
    assert all(place < 33 for place in order[:3])
    far, _ = farthest_first(
        lambda i: np.linalg.norm(vectors - vectors[i], axis=1).astype(float), [], first=order[0], count=36
    )
    assert any(place >= 33 for place in far[:3])


def test_what_is_labelled_is_known_already() -> None:
    """The first image is of the group that has no label, and the labelled ones are not asked for again."""
    order = herd(groups(20, 8), list(range(3)))
    assert order[0] >= 20
    assert sorted(order) == list(range(3, 28))


@given(st.integers(1, 40), st.integers(0, 5), st.integers(0, 100))
def test_each_image_is_the_one_that_adds_most(count: int, labelled: int, seed: int) -> None:
    """As greedy search over the whole matrix finds it; ties may differ by rounding."""
    vectors = groups(*[count // 3 + 1] * 3, seed=seed, features=4)
    distances = np.linalg.norm(vectors[:, None].astype(float) - vectors[None], axis=2)
    kernel = np.exp(-((distances / np.median(distances[np.triu_indices(len(vectors), 1)])) ** 2))
    known = list(range(labelled % len(vectors)))
    cover = kernel[known].max(axis=0) if known else np.zeros(len(vectors))
    order = herd(vectors, known)
    assert sorted(order + known) == list(range(len(vectors)))
    for place in order:
        gains = np.maximum(kernel - cover, 0).sum(axis=1)
        assert gains[place] >= np.delete(gains, known).max() - 5e-3
        cover = np.maximum(cover, kernel[place])
        known.append(place)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_few_images_and_equal_ones_have_an_order(count: int) -> None:
    """Ties by position."""
    assert herd(standardise([np.ones(3, np.float32)] * count), []) == list(range(count))


def test_many_images_are_ordered_wholly() -> None:
    """More than are chosen one by one."""
    assert sorted(herd(groups(400, 300, 7), [5])) == [place for place in range(707) if place != 5]


def test_the_strategy_needs_no_label_and_names_what_cannot_be_read(
    trained_round: Round, discs: tuple[Images, object]
) -> None:
    """Dark and bright discs come first; the image that cannot be read last."""

    round_ = dataclasses.replace(
        trained_round,
        images=UnreadableImages(discs[0], {"07.png"}),
        labels={},
        failed={},
        image_digests={identity: identity for identity in discs[0]},
    )
    ranking = get_strategy("looks").rank(round_, 2)
    assert sorted(ranking.order) == list(round_.ids)
    assert {int(image[:2]) % 3 == 2 for image in ranking.batch} == {True, False}
    assert ranking.queries[0].reason == Reason(Kind.LOOKS)
    assert ranking.order[-1] == "07.png"
    assert "cut off" in str(ranking.queries[-1].reason)
    turned = again(round_, images=UnreadableImages(dict(reversed(discs[0].items())), {"07.png"}))
    assert get_strategy("looks").rank(turned, 2).order == ranking.order
