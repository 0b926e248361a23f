"""From networks to masks."""

import itertools

import numpy as np
import pytest

from model.network.checkpoint import TrainedModel
from model.network.forward import OVERLAP, TILE, forward, tile_starts
from model.network.inference import extract_features, predict_mask, predict_masks, predict_probabilities
from model.network.recipe import Recipe
from model.network.training import train
from tests.model.conftest import Images, Masks, blobs


@pytest.fixture(scope="module")
def model(discs: tuple[Images, Masks], tiny_recipe: Recipe) -> TrainedModel:
    images, masks = discs
    return train(
        [images["00.png"]],
        [masks["00.png"]],
        classes=2,
        recipe=tiny_recipe.replace(precision="float32"),
        seed=0,
    )


@pytest.mark.parametrize("shape", [(32, 32), (33, 57), (48, 64)])
def test_probabilities_have_the_size_of_the_image_and_sum_to_one(
    model: TrainedModel, shape: tuple[int, int]
) -> None:
    image = blobs(1, side=64)[0][: shape[0], : shape[1]]
    probabilities = predict_probabilities(model, image)
    assert probabilities.shape == (2, *shape)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=0), 1.0, atol=1e-4)


def test_flips_are_averaged_in_place(model: TrainedModel) -> None:
    """A mirrored image gets the mirrored mask, also in tiles, and the mean differs from one prediction."""
    model = TrainedModel(model.network, 2, model.recipe.replace(flips=True))
    image = blobs(1, side=64)[0][:33]
    for tile in (TILE, 48):
        found = forward(model, [image], tile=tile)[0].numpy()
        for turned in ((1,), (2,), (1, 2)):
            there = np.flip(image, [axis - 1 for axis in turned]).copy()
            back = np.flip(forward(model, [there], tile=tile)[0].numpy(), turned)
            np.testing.assert_allclose(back, found, atol=1e-5)
    once = TrainedModel(model.network, 2, model.recipe.replace(flips=False))
    assert np.abs(predict_probabilities(once, image) - predict_probabilities(model, image)).max() > 1e-4


def test_probabilities_at_the_original_size(model: TrainedModel) -> None:
    assert predict_probabilities(model, blobs(1)[0], size=(100, 151)).shape == (2, 100, 151)
    assert predict_mask(model, blobs(1)[0], size=(100, 151)).dtype == np.uint8


def test_tiles_agree_with_the_whole_image(model: TrainedModel) -> None:
    image = blobs(5, side=160)[0]
    whole, tiled = predict_probabilities(model, image), forward(model, [image], tile=96)[0].numpy()
    assert np.abs(whole - tiled).mean() < 0.01
    assert (whole.argmax(0) == tiled.argmax(0)).mean() > 0.99


@pytest.mark.parametrize(("length", "count"), [(1024, 1), (1536, 2), (2048, 2), (3072, 3), (4096, 4)])
def test_usual_sizes_take_the_fewest_tiles(length: int, count: int) -> None:
    """That a network, with what they share, can cover them by:
    a third tile in each direction doubles the time."""
    starts = tile_starts(length, TILE)
    assert len(starts) == count
    assert starts[-1] + TILE >= length
    assert all(second - first <= TILE - OVERLAP for first, second in itertools.pairwise(starts))


def test_a_batch_gives_what_single_images_give(model: TrainedModel) -> None:
    images = [blobs(seed)[0] for seed in range(3)] + [blobs(3, side=64)[0]] + [blobs(4)[0]]
    for together, alone in zip(
        predict_masks(model, images), [predict_mask(model, image) for image in images], strict=True
    ):
        assert (together == alone).mean() > 0.999


def test_features_are_one_vector_of_the_decoders_last_layer(model: TrainedModel) -> None:
    features = extract_features(model, blobs(1)[0])
    assert features.shape == (4,)
    assert np.isfinite(features).all()


def test_features_do_not_count_padding(model: TrainedModel) -> None:
    image = blobs(1, side=64)[0][:33, :57]
    padded = np.pad(image, ((0, 31), (0, 7), (0, 0)), mode="edge")
    assert not np.allclose(extract_features(model, image), extract_features(model, padded), rtol=1e-3)
