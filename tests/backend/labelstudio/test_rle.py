"""Tests of the brush code against the SDK's own, slower one."""

from importlib import import_module
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.labelstudio.labels import rle


@pytest.fixture(scope="module")
def brush() -> ModuleType:
    """The SDK's own, which takes seconds to import."""
    return import_module("label_studio_sdk.converter.brush")


MASKS = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda size: arrays(bool, size))


@given(MASKS)
@settings(deadline=None)
def test_the_code_is_the_sdks_byte_for_byte_and_comes_back(
    brush: ModuleType, mask: npt.NDArray[np.bool_]
) -> None:
    encoded = rle.encode(mask)
    assert encoded == brush.mask2rle(mask.astype(np.uint8) * 255)
    assert (rle.decode(encoded, (mask.shape[0], mask.shape[1])) == mask).all()


@given(st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda size: arrays(np.uint8, (*size, 4))))
@settings(deadline=None)
def test_what_other_programs_write_is_read(brush: ModuleType, pixels: npt.NDArray[np.uint8]) -> None:
    """Four channels that differ, and soft edges: alpha above half of its largest value is the mask."""
    alpha = pixels[..., 3].astype(int)
    found = rle.decode(brush.encode_rle(pixels.ravel()), (pixels.shape[0], pixels.shape[1]))
    assert (found == (alpha * 2 > alpha.max())).all()


def test_literal_runs_are_read(brush: ModuleType) -> None:
    """Label Studio's page writes pixels that differ as a length and the values, which the SDK's encoder never
    does."""
    values = [7, 1, 2, 255, 9, 9, 9, 0]
    bits = (
        f"{8:032b}{7:05b}"
        + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
        + "000"
        + f"{7:03b}"
        + "".join(f"{v:08b}" for v in values)
    )
    packed = [int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8)]
    assert list(brush.decode_rle(packed)) == values
    assert rle.decode(packed, (1, 2)).tolist() == [[True, False]]


def test_runs_longer_than_one_length_can_say(brush: ModuleType) -> None:
    for mask in (
        np.zeros((400, 500), bool),
        np.ones((400, 500), bool),
        np.arange(200_000).reshape(400, 500) == 170_000,
    ):
        encoded = rle.encode(mask)
        assert encoded == brush.mask2rle(mask.astype(np.uint8) * 255)
        assert (rle.decode(encoded, (400, 500)) == mask).all()


def test_a_mask_of_zeros_and_ones_is_read(brush: ModuleType) -> None:
    mask = np.eye(5, dtype=np.uint8)
    assert (rle.decode(brush.mask2rle(mask), (5, 5)) == mask.astype(bool)).all()


def test_another_size_and_no_bytes_are_told() -> None:
    encoded = rle.encode(np.ones((4, 6), bool))
    with pytest.raises(ValueError, match=r"24 pixels\b.*5 x 4"):
        rle.decode(encoded, (4, 5))
    for wrong in (
        [],
        [1, 2, 3],
        ["a"],
        [1.5] * 20,
        [300] * 20,
        [-1] * 20,
        None,
        "text",
        {"a": 1},
        [[1], [2, 3]],
    ):
        with pytest.raises(ValueError, match=r"no brush mask|list of bytes"):
            rle.decode(wrong, (4, 6))  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 255), max_size=60))
@settings(deadline=None)
def test_garbage_raises_value_error_and_nothing_else(garbage: list[int]) -> None:
    header = rle.encode(np.zeros((4, 6), bool))[:6]
    for code in (garbage, header + garbage):
        try:
            assert rle.decode(code, (4, 6)).shape == (4, 6)
        except ValueError:
            continue


def test_every_cut_of_a_code_is_noticed() -> None:
    mask = np.random.default_rng(0).random((20, 30)) > 0.5
    encoded = rle.encode(mask)
    for length in range(len(encoded) - 2):
        with pytest.raises(ValueError, match=r"pixels|no brush mask|list of bytes"):
            rle.decode(encoded[:length], (20, 30))
