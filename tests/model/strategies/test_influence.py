"""Influence: labels that spread over images which look alike."""

from __future__ import annotations

import numpy as np
import pytest

from model.similarity.appearance import normalise
from model.strategies.influence import GOES_ON, link_images, reach_of


def chain(*angles: float) -> np.ndarray:
    """Vectors of length 1 in a plane: float32 (N, 2)."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_what_a_label_reaches_is_the_chance_of_a_walk_to_meet_it() -> None:
    """Against walks that end in the absorbing image, solved exactly; all steps are long enough."""
    vectors = chain(*np.random.default_rng(0).uniform(0, 6, 30))
    links = link_images(vectors)
    reach = reach_of(links)(np.arange(30))
    dense = links.toarray()
    assert dense.sum(axis=1).max() <= 1 + 1e-6
    assert (dense.diagonal() == 0).all()
    for met in range(30):
        others = np.arange(30) != met
        step = GOES_ON * dense[np.ix_(others, others)]
        exact = np.linalg.solve(np.eye(29) - step, GOES_ON * dense[others, met])
        assert reach[met, met] == pytest.approx(1)
        assert np.abs(reach[met, others] - exact).max() < 0.1


def test_a_label_reaches_along_a_chain_and_not_to_what_looks_like_nothing() -> None:
    """Nearer is surer; the odd image at the other side is reached least."""
    vectors = chain(*np.linspace(0, 0.5, 12), np.pi)
    reach = reach_of(link_images(vectors))(np.array([0]))[0]
    assert reach[1] > reach[11] > reach[12]
    assert reach[12] < 0.1


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_images_and_equal_ones_have_links(count: int) -> None:
    """And those of length 0, which look like no other."""
    links = link_images(normalise(np.zeros((count, 3), np.float32)))
    assert links.shape == (count, count)
    reach = reach_of(links)(np.arange(count))
    assert reach.shape == (count, count)
    assert np.isfinite(reach).all()
