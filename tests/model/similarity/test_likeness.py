"""A similarity weighed by looks and by trust."""

import numpy as np
import numpy.typing as npt
import pytest

from model.selection import maximin
from model.similarity.likeness import BLOCK, add_unknown, cosine_similarity, make_mutual, weigh_by_likeness
from model.strategies.bagging_weighted import discount


def test_what_is_trusted_teaches_less_about_what_is_not() -> None:
    similarity = np.full((3, 3), 0.8, np.float32)
    np.fill_diagonal(similarity, 1.0)
    result = discount(similarity, np.array([1.0, 0.9, 0.4]))
    assert result[0, 2] == pytest.approx(0.8 * 0.4)
    assert result[2, 0] == pytest.approx(0.8)
    np.testing.assert_array_equal(result.diagonal(), 1.0)


def likeness(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What a similarity of 1 everywhere becomes."""
    found = np.ones((len(vectors), len(vectors)), np.float32)
    weigh_by_likeness(found, vectors)
    return found


def test_likeness_by_hand() -> None:
    """Neighbours on a line are at the median distance, the ends at four times that;
    a feature that does not vary but for rounding counts for nothing."""
    result = likeness(np.array([[0, 5, 1e-9], [1, 5, -1e-9], [2, 5, 2e-9]], np.float32))
    np.testing.assert_allclose(result, np.exp([[0, -1, -4], [-1, 0, -1], [-4, -1, 0]]), rtol=1e-6)
    np.testing.assert_array_equal(likeness(np.ones((3, 2), np.float32)), 1.0)


def test_the_likeness_of_an_image_of_which_nothing_is_known_is_worth_what_alike_images_teach() -> None:
    """By hand: three known images on a line, and one beside the first."""
    d = np.array([[1, 0.8, 0.2], [0.8, 1, 0.4], [0.2, 0.4, 1]], np.float32)
    vectors = np.array([[0], [1], [2], [0]], np.float32)
    known = np.array([True, True, True, False])
    alike = likeness(vectors)
    found = add_unknown(d, known)
    weigh_by_likeness(found, vectors, known)
    pairs = [(0, 1), (0, 2), (1, 2)]
    usual = sum(d[pair] * alike[pair] for pair in pairs) / sum(alike[pair] for pair in pairs)
    np.testing.assert_allclose(found[:3, :3], d * alike[:3, :3], rtol=1e-5)
    np.testing.assert_allclose(found[3], [usual, usual * alike[3, 1], usual * alike[3, 2], 1], rtol=1e-5)
    np.testing.assert_allclose(found, found.T, rtol=1e-6)


@pytest.mark.parametrize("count", [8, BLOCK + 8])
def test_mutual_is_the_lower_direction_of_every_pair(count: int) -> None:
    d = np.random.default_rng(0).random((count, count)).astype(np.float32)
    expected = np.minimum(d, d.T)
    make_mutual(d)
    np.testing.assert_array_equal(d, expected)


def test_the_scale_of_a_large_pool_is_that_of_a_sample() -> None:
    """Whatever its order: here images of two groups alternate."""
    features = np.random.default_rng(0).normal(size=(1200, 4)).astype(np.float32)
    features[::2] += 3
    assert np.median(-np.log(likeness(features))) == pytest.approx(1, rel=0.1)


def test_a_group_that_looks_unlike_all_labelled_images_is_asked_for() -> None:
    """Its pseudo-labels agree with each other, and with what labelled images teach, so that the paper's rule
    sees nothing to gain there."""
    groups = np.array([0, 0, 0, 0, 1, 1, 1])
    similarity = np.array([[0.7, 0.9], [0.3, 0.9]], np.float32)[groups][:, groups]
    np.fill_diagonal(similarity, 1.0)
    features = groups[:, None] + np.linspace(0, 0.2, 7, dtype=np.float32)[:, None]
    assert groups[list(maximin(similarity, [0], 1).indices)] == 0
    assert groups[list(maximin(similarity * likeness(features), [0], 1).indices)] == 1


def test_a_zero_feature_vector_is_similar_to_none() -> None:
    similarity = cosine_similarity(np.array([[1, 0], [0, 0], [2, 0]], np.float32))
    assert similarity[0, 2] == pytest.approx(1.0)
    assert similarity[0, 1] == 0.0
