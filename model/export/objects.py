"""A mask as numbered objects, 1, 2, ...: connected pieces, or what a person drew one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from model.arrays import Mask
from model.errors import MaskError

MOST_OBJECTS = 2**16 - 1
"""Of one image: what fits into 16 bits."""
Part = tuple[int, tuple[slice, slice], npt.NDArray[np.bool_]]
"""A class id, a box of rows and columns, and which pixels of the box belong to a shape of that class."""


@dataclass(frozen=True)
class Objects:
    """The objects of an image, ordered by class."""

    numbers: npt.NDArray[np.uint16]
    """(H, W): the number of the object that a pixel belongs to, 0 = background."""
    classes: list[int]
    """The class id of object 1, 2, ..."""
    areas: list[int]
    """Its pixels."""


def number_objects(mask: Mask, parts: Iterable[Part] | None = None, *, name: str = "mask") -> Objects:
    """Number the objects of class ids, uint8 (H, W).

    An object is a connected piece of a class; pixels that touch at a corner are connected.
    With `parts`, the shapes that were drawn, largest first, it is a connected piece of a shape,
    so that cells that touch stay apart; of two shapes over a pixel the later has it.
    Raises MaskError for more than MOST_OBJECTS.
    """
    found = np.zeros(mask.shape, dtype=np.int32)
    kinds = [0]
    everything = (slice(0, mask.shape[0]), slice(0, mask.shape[1]))
    classes = np.flatnonzero(np.bincount(mask.ravel(), minlength=1))
    drawn = parts if parts is not None else ((int(c), everything, mask == c) for c in classes if c)
    for class_id, box, inside in drawn:
        count, pieces = cv2.connectedComponents((inside & (mask[box] == class_id)).astype(np.uint8))
        marked = pieces > 0
        found[box][marked] = pieces[marked] + (len(kinds) - 1)
        kinds += [class_id] * (count - 1)
    areas = np.bincount(found.ravel(), minlength=len(kinds))
    kept = [number for number in range(1, len(kinds)) if areas[number]]  # the others are drawn over
    if len(kept) > MOST_OBJECTS:
        raise MaskError(
            f"{name}: found {len(kept)} objects, expected at most {MOST_OBJECTS}, which fit into 16 bits;"
            " it is hardly a mask of objects: write class ids instead (--format png)."
        )
    kept.sort(key=lambda number: kinds[number])
    numbers = np.zeros(len(kinds), dtype=np.uint16)
    numbers[kept] = np.arange(1, len(kept) + 1)
    return Objects(
        numbers[found], [kinds[number] for number in kept], [int(areas[number]) for number in kept]
    )
