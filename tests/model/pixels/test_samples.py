"""Sampled pixels of an image."""

import numpy as np
import pytest
import torch

from model.arrays import Image, Mask
from model.errors import ImageError
from model.pixels import FeatureExtractor, PixelSample, Scale, draw_sample
from model.pixels.samples import PIXELS, RARE, draw_positions
from tests.model.pixels.conftest import noise, tiny_class


def test_a_small_image_gives_all_its_pixels(filters: FeatureExtractor) -> None:
    sample = draw_sample(noise(7, 9), filters)
    np.testing.assert_array_equal(sample.positions, np.arange(63))


def test_drawing_again_gives_the_same(filters: FeatureExtractor) -> None:
    first, second = (draw_sample(noise(80, 90), filters) for _ in range(2))
    np.testing.assert_array_equal(first.positions, second.positions)
    np.testing.assert_array_equal(first.values, second.values)
    assert len(np.unique(first.positions)) == PIXELS


def test_each_class_of_a_mask_is_there(filters: FeatureExtractor) -> None:
    """However few its pixels are; the sample grows by nothing."""
    mask = tiny_class()
    image = noise(*mask.shape)
    assert draw_sample(image, filters).misses(mask)
    sample = draw_sample(image, filters, mask=mask)
    assert not sample.misses(mask)
    assert np.bincount(sample.classes_in(mask))[1:].tolist() == [RARE, 5]
    assert len(sample.positions) == PIXELS


def test_a_mask_of_256_classes_makes_no_larger_sample() -> None:
    mask = np.arange(300 * 300).reshape(300, 300).astype(np.uint8)
    mask[:100] = 0
    positions = draw_positions(mask.size, PIXELS, mask)
    assert len(positions) == len(np.unique(positions)) == PIXELS
    assert len(np.unique(mask.ravel()[positions])) == 256


def test_an_image_with_nan_is_refused(filters: FeatureExtractor) -> None:
    image = noise(300, 300)
    image[250, 250, 1] = np.nan
    with pytest.raises(ImageError, match=r"not finite.*export it again"):
        draw_sample(image, filters)


def test_a_mask_of_another_size_is_refused(samples: list[PixelSample]) -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 3\)"):
        samples[0].classes_in(np.zeros((3, 3), np.uint8))


def test_mean_and_deviation_are_those_of_all_pixels(filters: FeatureExtractor) -> None:
    image = noise(100, 120)
    (block,) = filters.compute(image)
    every = np.concatenate(
        [values.flatten(0, 1).numpy().T for _, values in block.strips(torch.eye(filters.channels))], axis=1
    )
    sample = draw_sample(image, filters)
    np.testing.assert_allclose(sample.mean, every.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(sample.deviation, every.std(axis=1), atol=1e-4)


def test_a_scale_standardises_the_pixels_of_its_images(
    pairs: list[tuple[Image, Mask]], samples: list[PixelSample]
) -> None:
    del pairs
    scale = Scale.over(samples)
    applied = np.concatenate([scale.apply(sample.values) for sample in samples])
    np.testing.assert_allclose(applied.mean(axis=0), 0, atol=0.15)
    np.testing.assert_allclose(applied.std(axis=0), 1, atol=0.15)


def test_a_feature_that_never_varies_does_not_divide_by_zero() -> None:
    flat = PixelSample(
        np.arange(3),
        np.ones((3, 2), np.float16),
        np.ones(2, np.float32),
        np.zeros(2, np.float32),
        (1, 3),
    )
    np.testing.assert_array_equal(Scale.over([flat]).apply(flat.values), 0)


def test_the_deepest_features_count_less(pairs: list[tuple[Image, Mask]]) -> None:
    """They are many, and few labelled images would be learnt by heart."""
    image, mask = pairs[0]
    extractor = FeatureExtractor("float32")
    sample = draw_sample(image, extractor, mask=mask)
    spread = Scale.over([sample]).apply(sample.values).std(axis=0)
    assert np.median(spread[99:]) == pytest.approx(0.25, rel=0.3)
    assert np.median(spread[:99]) == pytest.approx(1, rel=0.3)
