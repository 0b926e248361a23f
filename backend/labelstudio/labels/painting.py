"""Which object has a pixel that several were drawn over: the smallest."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from backend.errors import RegionError
from backend.labelstudio.labels.shapes import Pixels
from model.arrays import Mask
from model.data.images.pixels import row_blocks

_PIECES_PIXELS = 1 << 24
"""Objects of larger regions are told apart by every second pixel, or third, as it takes 15 bytes a pixel."""
Shape = tuple[int, str, Callable[[], Pixels]]
"""Class id, what errors call it, and what works out its pixels:
one at a time is held, as each may cover a large image."""


def paint(shapes: Sequence[Shape], size: tuple[int, int]) -> tuple[Mask, dict[tuple[int, int], int]]:
    """The mask, and for each two classes (the one that has them, the other) how many pixels both of them
    marked. Raises RegionError."""
    mask: Mask = np.zeros(size, dtype=np.uint8)
    overlapping = False
    for class_id, where, pixels in shapes:
        try:
            box, inside = pixels()
        except ValueError as error:
            raise RegionError(f"{where}: {error}.") from error
        held = mask[box]
        overlapping = overlapping or bool((inside & (held != 0) & (held != class_id)).any())
        held[inside] = class_id
    if not overlapping:
        return mask, {}
    mask[:] = 0
    areas = np.full(size, np.iinfo(np.int32).max, dtype=np.int32)  # pixels of the object that has a pixel
    overlaps: dict[tuple[int, int], int] = {}
    for class_id, _, pixels in shapes:
        box, inside = pixels()
        held, smallest = mask[box], areas[box]
        step, pieces = _pieces(inside)
        for first, end in row_blocks(*inside.shape):
            rows = slice(first, end)
            area = pieces[np.arange(first, end) // step][:, np.arange(inside.shape[1]) // step]
            _paint_piece(class_id, inside[rows], area, held[rows], smallest[rows], overlaps)
    return mask, overlaps


def _pieces(inside: npt.NDArray[np.bool_]) -> tuple[int, npt.NDArray[np.int32]]:
    """How many pixels the connected piece of each pixel has, by every `step`-th row and column;
    what lies between these is tiny."""
    step = max(1, math.ceil(math.sqrt(inside.size / _PIECES_PIXELS)))
    _, pieces, statistics, _ = cv2.connectedComponentsWithStats(inside[::step, ::step].astype(np.uint8))
    areas = (statistics[:, cv2.CC_STAT_AREA] * step**2)[pieces]
    if step > 1:  # the pixels at the edge of a piece, whose row or column is not looked at, count with it
        coarse = np.where(pieces > 0, areas, 0).astype(np.float32)
        areas = np.where(pieces > 0, coarse, cv2.dilate(coarse, np.ones((3, 3)))).clip(min=1).astype(np.int32)
    return step, areas


def _paint_piece(
    class_id: int,
    inside: npt.NDArray[np.bool_],
    area: npt.NDArray[np.int32],
    mask: Mask,
    areas: npt.NDArray[np.int32],
    overlaps: dict[tuple[int, int], int],
) -> None:
    """Draw pixels `inside`, which are of objects of `area` pixels, where nothing smaller is, and count in
    what is drawn twice."""
    won = inside & (area <= areas)
    for other in np.unique(mask[inside]):
        if other not in (0, class_id):
            both = inside & (mask == other)
            taken = int((both & won).sum())
            for pair, pixels in (
                ((class_id, int(other)), taken),
                ((int(other), class_id), int(both.sum()) - taken),
            ):
                if pixels:
                    overlaps[pair] = overlaps.get(pair, 0) + pixels
    mask[won] = class_id
    areas[won] = area[won]
