"""Numbers of any range become standardised channels, and images are made smaller without losing what is
to see."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model.data.images.pixels import normalise, resample, shrink, working_size
from model.data.images.reading import read_raw
from model.errors import ImageError
from tests.model.data.noise import noise
from tests.model.data.reading import read_image


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_and_counted(tmp_path: Path, bad: float) -> None:
    array = noise(40, 50).astype(np.float32)
    array[3, 5:7] = bad
    tifffile.imwrite(tmp_path / "a.tif", array)
    with pytest.raises(ImageError, match=r"a\.tif: 2 values"):
        read_image(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="NaN"):
        normalise(array)


def test_constant_empty_and_odd_arrays_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 40), 7, dtype=np.uint8)).save(tmp_path / "flat.png")
    with pytest.raises(ImageError, match=r"flat\.png: .*value 7"):
        read_image(tmp_path / "flat.png")
    for odd in (np.zeros((0, 5)), np.ones((40, 40, 2)), np.ones(40), np.ones((40, 40), dtype=complex)):
        with pytest.raises(ImageError, match="expected real numbers"):
            normalise(odd)


def test_a_single_small_nucleus_in_a_black_image_survives() -> None:
    image = np.zeros((512, 512), dtype=np.uint16)
    image[100:106, 100:106] = 900
    result = normalise(image)
    assert result[103, 103, 0] > result[0, 0, 0] + 10
    speck = np.where(np.indices(image.shape).sum(axis=0) == 3, 7, 0)
    assert normalise(speck)[0, 3, 0] > 100, "four pixels, fewer than are clipped, in a black image"
    image[image == 0] = noise(int((image == 0).sum()), top=40, dtype="uint16")
    assert normalise(image)[103, 103, 0] > 10


def test_hot_pixels_do_not_squeeze_the_rest() -> None:
    image = noise(256, 256, top=100).astype(np.uint16)
    clean = normalise(image)
    image.ravel()[::5000] = 65535
    changed = normalise(image)
    usual = image < 100
    assert np.abs(changed[usual] - clean[usual]).max() < 0.1


def test_colours_keep_their_relation() -> None:
    image = noise(40, 50, 3).astype(np.float64)
    image[..., 2] = 0.5 * image[..., 0]
    result = normalise(image).astype(np.float64)
    assert result[..., 2].std() < 0.6 * result[..., 0].std()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), offset=st.floats(-100, 100), colour=st.booleans()
)
def test_normalise_ignores_scale_and_offset(seed: int, scale: float, offset: float, colour: bool) -> None:
    image = np.random.default_rng(seed).exponential(20, (32, 40, 3) if colour else (32, 40))
    np.testing.assert_allclose(normalise(image * scale + offset), normalise(image), atol=2e-3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_8_and_16_bit_give_the_same(seed: int) -> None:
    image = noise(32, 40, seed=seed)
    expected = normalise(image)
    np.testing.assert_allclose(normalise(image.astype(np.uint16) * 257), expected, atol=1e-4)
    np.testing.assert_allclose(normalise((image / 255).astype(np.float32)), expected, atol=1e-4)


def test_extreme_floats_neither_overflow_nor_vanish() -> None:
    image = noise(40, 40).astype(np.float64) - 128
    for factor in (1.4e306, 1e-300):
        np.testing.assert_allclose(normalise(image * factor), normalise(image), atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(height=st.integers(32, 5000), width=st.integers(32, 5000), side=st.integers(32, 1024))
def test_working_size_fits_keeps_the_ratio_and_never_enlarges(height: int, width: int, side: int) -> None:
    new = working_size((height, width), side)
    assert min(new) >= 32
    assert max(new) == min(side, max(height, width)) or min(new) == 32
    assert new[0] <= height
    assert new[1] <= width
    assert abs(new[0] / height - new[1] / width) <= 0.5 / height + 0.5 / width


def test_a_strip_keeps_something_to_see() -> None:
    assert working_size((40, 5000), 512) == (32, 4000)
    assert working_size((5000, 32), 512) == (5000, 32)
    assert working_size((64, 1024), 512) == (32, 512)


def test_shrinking_averages_areas_and_a_bad_side_is_refused() -> None:
    image = noise(64, 128, 3)
    blocks = image.reshape(32, 2, 64, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(shrink(image, 64), blocks, atol=1e-3)
    assert shrink(image, 128) is image
    assert resample(image[..., 0], (32, 64)).shape == (32, 64)
    with pytest.raises(ImageError, match="max_side is 31"):
        shrink(image, 31)


@pytest.mark.parametrize(
    ("dtype", "value", "pixels"),
    [
        ("float32", -3.4e38, 1),
        ("float32", -3.4e38, 40),
        ("float64", 1e20, 40),
        ("float32", -9999, 120),
        ("int32", -9999, 120),
        ("int16", -(2**15), 120),
        ("float32", 65535, 120),
    ],
)
def test_a_value_that_marks_pixels_without_data_is_refused(
    tmp_path: Path, dtype: str, value: float, pixels: int
) -> None:
    """Beside it, objects and background would be alike."""
    array = noise(40, 50).astype(dtype)
    array.ravel()[:pixels] = value
    tifffile.imwrite(tmp_path / "a.tif", array)
    with pytest.raises(
        ImageError, match=rf"a\.tif: found the value .* {pixels} times.*pixels without data.*Replace them"
    ):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(("value", "pixels"), [(255, 40), (4095, 60), (1, 1)])
def test_a_saturated_or_stuck_pixel_is_no_mark(tmp_path: Path, value: int, pixels: int) -> None:
    """However dim the others are: nearly nothing, or the few grays of a drawing."""
    grays = {255: noise(40, 50) % 3, 4095: noise(40, 50) % 20 + 90, 1: noise(40, 50) / 1e9}[value]
    array = grays.astype(np.float32)
    array.ravel()[:pixels] = value
    tifffile.imwrite(tmp_path / "a.tif", array)
    assert read_raw(tmp_path / "a.tif").max() == value


def test_both_ends_may_mark_pixels_without_data(tmp_path: Path) -> None:
    array = noise(40, 50).astype(np.float32)
    array[:2], array[-2:] = -3.4e38, 3.4e38
    tifffile.imwrite(tmp_path / "a.tif", array)
    with pytest.raises(ImageError, match="pixels without data"):
        read_image(tmp_path / "a.tif")


def test_real_images_in_fractions_are_read_whatever_their_background(
    shared_data: Path, tmp_path: Path
) -> None:
    """A background of exactly 0 far below the rest, also after standardising; saturated pixels; a background
    that was subtracted."""
    for folder in sorted(shared_data.iterdir()):
        gray = read_raw(min((folder / "images").iterdir())).astype(np.float32)
        gray = gray if gray.ndim == 2 else gray[..., 1]
        masked = np.where(gray < np.median(gray), 0, gray + 5000)
        for number, array in enumerate(
            [
                gray,
                gray / 255,
                np.minimum(gray, np.quantile(gray, 0.98)),
                masked,
                (masked - masked.mean()) / masked.std(),
                np.maximum(gray - np.median(gray), -5),
            ]
        ):
            tifffile.imwrite(tmp_path / f"{number}.tif", array.astype(np.float32))
            assert read_raw(tmp_path / f"{number}.tif").shape == gray.shape
