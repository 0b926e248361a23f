"""Class ids, uint8 with 0 for background: which numbers can be some, and how they are resized."""

from collections.abc import Iterable

import numpy as np
from PIL import Image

from model.arrays import Array
from model.data.images.pixels import BLOCK_PIXELS, resample
from model.errors import MaskError

MAX_CLASSES = 32
"""Largest number of classes believed without being told;
more values than that are blurred edges or object numbers."""
WHITE = 255
"""The foreground of a binary mask as drawn by ImageJ, Label Studio and most others."""


def class_ids(values: Array, classes: int | None = None, *, name: str = "mask") -> Array:
    """Turn the stored numbers of a mask, integers or bool (H, W), into class ids, uint8 (H, W).
    Raises MaskError as `check_values`."""
    found = present_values(values)
    check_values(found, classes, name=name)
    if classes in (None, 2) and is_black_white(found):
        return (values == WHITE).astype(np.uint8)
    return values.astype(np.uint8)


def present_values(values: Array) -> Array:
    """List the different numbers in a mask, ascending, 1-D."""
    if values.dtype == np.uint8:  # np.unique sorts all pixels; counting is 20 times faster
        flat, counts = values.ravel(), np.zeros(256, dtype=np.intp)
        for first in range(0, flat.size, BLOCK_PIXELS):  # as it takes 8 bytes a pixel
            counts += np.bincount(flat[first : first + BLOCK_PIXELS], minlength=256)
        return np.flatnonzero(counts)
    return np.unique(values)


def check_values(found: Array, classes: int | None, *, name: str = "mask") -> None:
    """Check the different values `found` in a mask (1-D, ascending):
    0/255 where `classes` is 2 or None, else ids below `classes`.

    Without `classes`, ids must be below MAX_CLASSES. Raises MaskError.
    """
    if classes is not None and not 2 <= classes <= 256:
        raise MaskError(f"classes is {classes}, expected 2 (background and foreground) to 256.")
    if found.size == 0:
        raise MaskError(f"mask {name}: holds no pixels; export it again.")
    limit = MAX_CLASSES if classes is None else classes
    if (classes in (None, 2) and is_black_white(found)) or (found[0] >= 0 and found[-1] < limit):
        return
    shown = list_values(found)
    if found.size > max(8, limit):
        remedy = (
            "if they count objects (as ImageJ and Cellpose write them), add --mask-numbers objects, or set"
            " every object to 255 or its class id; JPEG is lossy and blurs ids: save masks as PNG"
        )
        raise MaskError(
            f"mask {name}: found {found.size} different values ({shown}), expected at most {limit} class"
            f" ids; {remedy}."
        )
    remedy = "renumber them, or correct the number of classes"
    if found[0] < 0:
        remedy = remedy_below_zero(found[0])
    expected = f"{'0/255, or ' if classes in (None, 2) else ''}class ids 0 to {limit - 1}"
    raise MaskError(f"mask {name}: found the values {shown}, expected {expected}; {remedy}.")


def remedy_below_zero(number: int) -> str:
    """What to do about a number below zero in masks."""
    return (
        f"if {number} is the background: --invert-masks all; if it marks lines, or what nobody has labelled,"
        " give it the number 0"
    )


def infer_classes(masks: Iterable[Array]) -> int:
    """Count the classes, background included, in masks given as arrays of stored numbers.

    2 if all are 0/255 or 0/1, else the largest id + 1.
    If some are 0/255 and others hold ids above 1, the kind of which there are more decides;
    the others are then in conflict with the result.
    Raises MaskError for values that are no ids.
    """
    highest, white, several = 1, 0, 0
    for number, mask in enumerate(masks):
        found = present_values(mask)
        check_values(found, None, name=f"number {number}")
        white += int(found[-1] == WHITE)
        if 1 < found[-1] != WHITE:
            several, highest = several + 1, max(highest, int(found[-1]))
    return 2 if white > several else highest + 1


def resize_mask(mask: Array, shape: tuple[int, int]) -> Array:
    """Resize class ids, uint8 (H, W), to `shape` = (height, width):
    by majority where it shrinks, nearest pixel where it grows.

    Majority: a new pixel gets the class that covers most of its area, the lower id at a tie.
    It keeps areas, while nearest would pick single pixels;
    structures thinner than half a new pixel vanish either way.
    """
    if mask.shape == tuple(shape):
        return mask.copy()
    if shape[0] >= mask.shape[0] and shape[1] >= mask.shape[1]:
        grown = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8)).resize(
            (shape[1], shape[0]), Image.Resampling.NEAREST
        )
        return np.array(grown)
    found = present_values(mask)
    result: Array = np.zeros(shape, dtype=np.uint8)
    best: Array = np.full(shape, -1, dtype=np.float32)
    for value in found.tolist():
        cover = resample(mask == value, shape)
        won = cover > best + 1e-6
        result[won], best = value, np.maximum(best, cover)
    return result


def is_black_white(found: Array) -> bool:
    return bool(found.size) and bool(np.isin(found, (0, WHITE)).all())


def list_values(found: Array) -> str:
    return ", ".join(map(str, found.tolist() if found.size <= 8 else [*found[:5].tolist(), "...", found[-1]]))
