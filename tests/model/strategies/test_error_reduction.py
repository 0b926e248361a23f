"""The regressor of simulated labelling."""

from __future__ import annotations

import numpy as np
import pytest

from model.pixels import FeatureExtractor
from model.reason import Kind, Reason
from model.similarity.generated_images import LOOKS, generate_image
from model.similarity.round import Round
from model.similarity.simulated_labelling import Examples, try_generated
from model.strategies import get_strategy
from model.strategies.error_reduction import fit_regressor, order_by_gain
from tests.model.conftest import Masks, again


def test_generated_images_have_objects_and_looks_of_their_own() -> None:
    for look in LOOKS:
        image, mask = generate_image(look, 1)
        np.testing.assert_array_equal(image, generate_image(look, 1)[0])
        assert 0 < mask.mean() < 0.6
        assert image.mean() == pytest.approx(0, abs=1e-4)
        assert np.isfinite(image).all()
    bright, dark = ([generate_image(look, seed) for seed in range(9)] for look in LOOKS[:2])
    assert all(image[mask > 0].mean() > 0 for image, mask in bright)
    assert all(image[mask > 0].mean() < 0 for image, mask in dark)


def test_simulated_labels_help_most_where_no_labelled_image_looks_alike() -> None:
    """A label raises the dice of the others on average, and the less, the nearer one looks already."""
    examples = try_generated(FeatureExtractor())
    assert np.isfinite(examples.traits).all()
    assert examples.gains.mean() > 0
    near = examples.traits[:, 4]
    assert examples.gains[near < np.median(near)].mean() > examples.gains[near >= np.median(near)].mean()
    predict = fit_regressor(examples)
    assert np.corrcoef(predict(examples.traits), examples.gains)[0, 1] > 0.3


def test_the_regressor_finds_what_there_is_to_find() -> None:
    """A curve, under noise; nothing outside of what it has seen; the mean where all gains are the same."""
    random = np.random.default_rng(0)
    traits = random.uniform(-1, 1, (150, 2)).astype(np.float32)
    gains = (traits[:, 0] ** 2 + random.normal(0, 0.1, 150)).astype(np.float32)
    predict = fit_regressor(Examples(traits, gains))
    found = predict(np.array([[-0.8, 0], [0, 0], [0.8, 0], [90, 0], [1, 0]], np.float32))
    np.testing.assert_allclose(found[:3], [0.64, 0, 0.64], atol=0.15)
    assert found[3] == pytest.approx(found[4], abs=0.1)
    same = fit_regressor(Examples(np.ones((5, 2), np.float32), np.full(5, 0.25, np.float32)))
    np.testing.assert_allclose(same(traits), 0.25, atol=1e-6)


def test_the_next_image_is_chosen_as_if_those_before_it_were_labelled() -> None:
    """Here nearness costs: of two pairs of twins, one of each comes first; ties by position."""
    near = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]], np.float32)
    order, gains = order_by_gain(
        lambda traits: 1 - traits[:, 4],
        [],
        np.zeros((4, 3), np.float32),
        lambda places: near[places],
        np.zeros(4, np.float32),
    )
    assert order == [0, 2, 1, 3]
    assert gains == [1, 1, 0, 0]


def test_labelled_images_are_simulated_on_as_well(pixel_round: Round, discs: tuple[object, Masks]) -> None:
    """From three on: the examples are more, and the order is the same whatever the order of images."""
    steps: set[str] = set()
    labels = {i: discs[1][i] for i in ("00.png", "01.png", "02.png", "03.png")}
    round_ = again(pixel_round, labels=labels, on_progress=lambda step, *_: steps.add(step))
    ranking = get_strategy("error_reduction").rank(round_, 3)
    assert "Simulated labelling" in steps
    assert sorted(ranking.order) == list(round_.unlabelled)
    first = ranking.queries[0].reason
    assert isinstance(first, Reason)
    assert first.kind is Kind.GAIN
    turned = again(round_, images=dict(reversed(list(round_.images.items()))))
    assert get_strategy("error_reduction").rank(turned, 3).order == ranking.order
