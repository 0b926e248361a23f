"""The generator's images look different from one another, repeat exactly, and their masks fit."""

from pathlib import Path

import numpy as np
import pytest

from backend.demo.generator import APPEARANCES, SIZE, Sample, generate, write
from model.data.pool import scan


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return list(generate(2 * len(APPEARANCES), seed=3))


def test_shapes_and_values(samples: list[Sample]) -> None:
    """8-bit gray images, masks of 0 and 1, some axons in each."""
    for sample in samples:
        assert sample.image.dtype == sample.mask.dtype == np.uint8
        assert sample.image.shape == sample.mask.shape == (SIZE, SIZE)
        assert set(np.unique(sample.mask)) == {0, 1}
        assert 0.01 < sample.mask.mean() < 0.4, sample.name
        assert 8 < sample.image.std() < 60, sample.name
        assert np.isin(sample.image, (0, 255)).mean() < 0.01, "no glare and no black"


def test_axons_differ_from_the_background(samples: list[Sample]) -> None:
    """Axons are darker than the background, in negative contrast brighter, with a clear distance in grey
    values."""
    signs = {look.name: np.sign(look.contrast) for look in APPEARANCES}
    for sample in samples:
        inside, outside = sample.image[sample.mask == 1].mean(), sample.image[sample.mask == 0].mean()
        assert signs[sample.appearance] * (outside - inside) > 10, sample.name


def test_every_appearance_occurs(samples: list[Sample]) -> None:
    """In turn, so that a small pool has them all; four to six."""
    assert [sample.appearance for sample in samples] == 2 * [look.name for look in APPEARANCES]
    assert 4 <= len(APPEARANCES) <= 6


def test_repeats_exactly(samples: list[Sample]) -> None:
    """The same seed gives the same images however many are asked for; another seed gives others."""
    again = list(generate(2, seed=3))
    for one, other in zip(again, samples, strict=False):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.mask, other.mask)
    assert (next(generate(1, seed=4)).image != samples[0].image).any()


@pytest.mark.parametrize("size", [64, 201])
def test_other_sizes(size: int) -> None:
    """Sizes need not divide by anything."""
    for sample in generate(len(APPEARANCES), size=size):
        assert sample.image.shape == sample.mask.shape == (size, size)


def test_written_files_are_a_pool(tmp_path: Path) -> None:
    """The folders are what the method reads: every mask belongs to an image."""
    names = write(tmp_path / "images", tmp_path / "masks", 4, size=96, seed=1)
    pool = scan(tmp_path / "images", tmp_path / "masks")
    assert names == ["axons-001", "axons-002", "axons-003", "axons-004"]
    assert len(pool.labels) == len(pool.images) == 4
    assert pool.classes == 2
