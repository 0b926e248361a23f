"""The dice similarity."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.network.dice import dice

masks = hnp.arrays(np.uint8, (5, 6), elements=st.integers(0, 2))


def test_two_empty_masks_agree_perfectly() -> None:
    empty = np.zeros((4, 4), np.uint8)
    assert dice(empty, empty, 2) == 1.0


def test_one_empty_mask_agrees_with_nothing() -> None:
    empty, full = np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8)
    assert dice(empty, full, 2) == dice(full, empty, 2) == 0.0


def test_half_overlap_by_hand() -> None:
    left = np.array([[1, 1, 0, 0]], np.uint8)
    middle = np.array([[0, 1, 1, 0]], np.uint8)
    assert dice(left, middle, 2) == pytest.approx(0.5)


def test_classes_count_equally_and_a_class_in_neither_counts_one() -> None:
    mask = np.array([[1, 1, 1, 2]], np.uint8)
    other = np.array([[1, 1, 1, 0]], np.uint8)
    assert dice(mask, other, 4) == pytest.approx((1.0 + 0.0 + 1.0) / 3)


@given(masks, masks)
def test_is_symmetric_and_within_0_and_1(mask: np.ndarray, other: np.ndarray) -> None:
    assert dice(mask, other, 3) == dice(other, mask, 3)
    assert 0.0 <= dice(mask, other, 3) <= 1.0


@given(masks)
def test_a_mask_agrees_with_itself(mask: np.ndarray) -> None:
    assert dice(mask, mask, 3) == 1.0


@given(masks, masks)
def test_it_is_the_librarys_f1_score(mask: np.ndarray, other: np.ndarray) -> None:
    import segmentation_models_pytorch as smp  # takes seconds

    counts = smp.metrics.get_stats(
        torch.from_numpy(mask[None].astype(int)),
        torch.from_numpy(other[None].astype(int)),
        "multiclass",
        num_classes=3,
    )
    of_classes = smp.metrics.f1_score(*counts, reduction=None, zero_division=1.0)[0, 1:]
    assert dice(mask, other, 3) == pytest.approx(float(of_classes.mean()), abs=1e-6)


def test_masks_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        dice(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), 2)
