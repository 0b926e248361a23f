"""Discs on a noisy ground, and features that need no pretrained network, for what does not depend on it."""

import numpy as np
import numpy.typing as npt
import pytest

from model.arrays import Image, Mask
from model.pixels import FeatureExtractor, PixelSample, draw_sample
from tests.model.conftest import blobs


@pytest.fixture(scope="session")
def filters() -> FeatureExtractor:
    """Features of the filter bank alone."""
    return FeatureExtractor("float32", use_pretrained=False)


@pytest.fixture(scope="session")
def pairs() -> list[tuple[Image, Mask]]:
    """Six images with their masks."""
    return [blobs(seed, bright=seed % 3 != 2) for seed in range(6)]


@pytest.fixture(scope="session")
def samples(pairs: list[tuple[Image, Mask]], filters: FeatureExtractor) -> list[PixelSample]:
    return [draw_sample(image, filters, mask=mask) for image, mask in pairs]


def tiny_class(side: int = 200) -> npt.NDArray[np.uint8]:
    """A mask with 5 pixels of class 2 and 90 of class 1, which a draw of 2,000 misses or nearly so."""
    mask = np.zeros((side, side), np.uint8)
    mask[3, 3:8] = 2
    mask[100:109, 50:60] = 1
    return mask


def noise(height: int, width: int, seed: int = 0) -> Image:
    random = np.random.default_rng(seed)
    return random.normal(size=(height, width, 3)).astype(np.float32)
