"""Polygons to masks and back: a pixel belongs to a polygon if its centre lies inside; points are (x, y) in pixels from the top left."""

from __future__ import annotations

from itertools import pairwise

import contourpy
import cv2
import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


def fill(points: Points, size: tuple[int, int]) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
    """The box of rows and columns that a polygon (n, 2) touches within `size` = (height, width), and which of its pixels are inside.

    Even-odd rule, as the parity of the edges crossed on the way from the left.
    """
    height, width = size
    first, last = (np.clip(np.ceil(edge - 0.5), 0, (width, height)).astype(int) for edge in (points.min(axis=0), points.max(axis=0)))
    box = (slice(first[1], last[1]), slice(first[0], last[0]))
    rows, columns = last[1] - first[1], last[0] - first[0]
    if rows <= 0 or columns <= 0:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), dtype=bool)
    start, end = points, np.roll(points, -1, axis=0)
    downward = (start[:, 1] <= end[:, 1])[:, None]
    top, bottom = np.where(downward, start, end), np.where(downward, end, start)
    # Rows whose centre line an edge crosses; half open, so that an edge's end counts once.
    from_row = np.clip(np.ceil(top[:, 1] - 0.5), first[1], last[1]).astype(int)
    to_row = np.clip(np.ceil(bottom[:, 1] - 0.5), first[1], last[1]).astype(int)
    counts = np.maximum(to_row - from_row, 0)
    edge = np.repeat(np.arange(len(points)), counts)
    row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(from_row, counts)
    slope = (bottom[edge, 0] - top[edge, 0]) / (bottom[edge, 1] - top[edge, 1])
    crossing = top[edge, 0] + (row + 0.5 - top[edge, 1]) * slope
    column = np.clip(np.ceil(crossing - 0.5), first[0], last[0]).astype(int)
    crossed = np.zeros((rows, columns + 1), dtype=np.int32)
    np.add.at(crossed, (row - first[1], column - first[0]), 1)
    return box, (np.cumsum(crossed, axis=1)[:, :-1] & 1).astype(bool)


def trace(mask: npt.NDArray[np.bool_], tolerance: float) -> list[Points]:
    """Outline a mask, bool (H, W): one polygon (n, 2) per connected area, largest first; holes are joined to the outline by a cut.

    Outlines deviate from the exact one, which `fill` turns back into the same mask, by up to `tolerance` pixels.
    """
    if not mask.any():
        return []
    padded = np.pad(mask, 1).astype(np.float64)
    filled = contourpy.contour_generator(z=padded, fill_type=contourpy.FillType.OuterOffset).filled(0.5, np.inf)
    areas = []
    for points, offsets in zip(*filled, strict=True):
        # Column 1 of the padded mask is the centre of pixel 0, at 0.5. The last point of a ring repeats the first.
        rings = [_simplified(points[a : b - 1] - 0.5, tolerance) for a, b in pairwise(offsets)]
        areas.append((_area(rings[0]) - sum(_area(ring) for ring in rings[1:]), _joined(rings)))
    return [ring for _, ring in sorted(areas, key=lambda item: -item[0])]


def _simplified(ring: Points, tolerance: float) -> Points:
    if tolerance <= 0 or len(ring) <= 4:
        return ring
    simple = cv2.approxPolyDP(ring.astype(np.float32)[:, None], tolerance, True)[:, 0].astype(np.float64)
    return simple if len(simple) >= 3 else ring


def _joined(rings: list[Points]) -> Points:
    """One closed line around the outline and its holes: to each hole and back where they are nearest."""
    joined = rings[0]
    for hole in sorted(rings[1:], key=lambda ring: float(ring[:, 0].min())):
        distance = ((joined[:, None] - hole[None]) ** 2).sum(axis=2)
        near, far = np.unravel_index(int(distance.argmin()), distance.shape)
        joined = np.concatenate([joined[: near + 1], hole[far:], hole[: far + 1], joined[near:]])
    return joined


def _area(ring: Points) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
