"""Objects that a working size loses, and the size that keeps them."""

import numpy as np
import pytest

from model.arrays import Mask
from model.data.masks.small_objects import SIDES, Losses, choose_side, count_losses, warn_of_losses


def squares(side: int, size: int, step: int = 37, number: int = 1) -> Mask:
    """A mask (side, side) of squares of `size` pixels, one every `step` pixels."""
    mask = np.zeros((side, side), np.uint8)
    for row in range(5, side - size, step):
        for column in range(5, side - size, step):
            mask[row : row + size, column : column + size] = number
    return mask


@pytest.mark.parametrize(("size", "kept"), [(2, 2048), (5, 1024), (12, 512)])
def test_the_smallest_size_that_keeps_the_objects_is_chosen(size: int, kept: int) -> None:
    losses = count_losses(squares(2048, size), 512)
    assert choose_side(losses, 512, images=3) == kept
    assert bool(warn_of_losses(losses, 512)) == (kept > 512)
    assert not warn_of_losses(losses, kept)


def test_memory_bounds_the_choice_and_the_warning_names_the_size() -> None:
    losses = count_losses(squares(2048, 2), 512)
    assert choose_side(losses, 512, images=3) == 2048
    assert choose_side(losses, 512, images=60) == 1536, "it loses the least of those that fit"
    assert "--image-size 2048 keeps them" in warn_of_losses(losses, 1536)
    assert "--image-size 700 keeps them" in warn_of_losses(count_losses(squares(700, 2), 512), 512)
    assert choose_side(losses, 512, images=10**6) == 512


def test_specks_beside_large_objects_are_told_and_change_nothing() -> None:
    mask = squares(1024, 2)
    mask[100:500, 100:500] = 1
    losses = count_losses(mask, 256)
    assert choose_side(losses, 256, images=1) == 256
    assert warn_of_losses(losses, 256)


def test_a_small_class_counts_beside_a_large_one() -> None:
    mask = np.maximum(squares(1024, 60, 200, 1), squares(1024, 2, 37, 2))
    assert choose_side(count_losses(mask, 256), 256, images=1) > 256


def test_objects_that_no_size_keeps_are_told() -> None:
    losses = Losses()
    losses.objects[1] = losses.pixels[1] = 9
    for side in (512, *SIDES):
        losses.lost_objects[side, 1] = losses.lost_pixels[side, 1] = 5
    assert "tiles" in warn_of_losses(losses, 512)
    assert choose_side(losses, 512, images=1) == 512


def test_small_images_and_masks_that_mark_nothing_lose_nothing() -> None:
    total = Losses()
    for mask in (squares(300, 2), np.zeros((2000, 2000), np.uint8)):
        total.add(count_losses(mask, 512))
    assert choose_side(total, 512, images=1) == 512
    assert warn_of_losses(total, 512) == ""
