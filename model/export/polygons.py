"""Polygons to masks and back: a pixel belongs to a polygon if its centre lies inside;
points are (x, y) in pixels from the top left."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import contourpy
import cv2
import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

_CROSSINGS = 1 << 20
"""Crossings of edges and rows that are worked out at once, 60 bytes each."""
_TRACED_PIXELS = 10_000_000
"""Larger masks are outlined by every second pixel, or third:
outlining takes 30 bytes a pixel, and the page draws no finer."""
_FEW_POINTS = 4000
"""Points of an outline and its holes up to which the shortest cuts are looked for."""


def fill(points: Points, size: tuple[int, int]) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
    """The box of rows and columns that a polygon (n, 2) touches within `size` = (height, width), and which of
    its pixels are inside.

    Even-odd rule, as the parity of the edges crossed on the way from the left.
    """
    height, width = size
    first, last = (
        np.clip(np.ceil(edge - 0.5), 0, (width, height)).astype(int)
        for edge in (points.min(axis=0), points.max(axis=0))
    )
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
    crossed = np.zeros((rows, columns + 1), dtype=np.uint8)
    ends = np.cumsum(counts)
    at = 0
    while (
        at < len(points)
        # as many edges at a time as cross _CROSSINGS rows:
        # thousands of points may run from top to bottom each
    ):
        until = max(at + 1, int(np.searchsorted(ends, ends[at] - counts[at] + _CROSSINGS, side="right")))
        some = slice(at, until)
        edge = np.repeat(np.arange(len(points))[some], counts[some])
        row = (
            np.arange(len(edge))
            - np.repeat(np.cumsum(counts[some]) - counts[some], counts[some])
            + from_row[edge]
        )
        slope = (bottom[edge, 0] - top[edge, 0]) / (bottom[edge, 1] - top[edge, 1])
        crossing = top[edge, 0] + (row + 0.5 - top[edge, 1]) * slope
        column = np.clip(np.ceil(crossing - 0.5), first[0], last[0]).astype(int)
        np.bitwise_xor.at(crossed, (row - first[1], column - first[0]), 1)
        at = until
    np.bitwise_xor.accumulate(crossed, axis=1, out=crossed)
    return box, crossed[:, :-1].view(bool)


def trace(mask: npt.NDArray[np.bool_], tolerance: float, most: int | None = None) -> list[Points]:
    """Outline a mask, bool (H, W): one polygon (n, 2) per connected area, the `most` largest;
    holes are joined to the outline by a cut.

    Outlines deviate from the exact one, which `fill` turns back into the same mask, by up to `tolerance`
    pixels.
    """
    if not mask.any():
        return []
    if mask.size > _TRACED_PIXELS:
        step = math.ceil(math.sqrt(mask.size / _TRACED_PIXELS))
        corner = np.asarray(mask.shape[::-1], dtype=np.float64)
        return [
            np.minimum(ring * step, corner)
            for ring in trace(mask[step // 2 :: step, step // 2 :: step], tolerance, most)
        ]
    areas = []
    for exact in _rings(mask):
        rings = [_simplified(ring, tolerance) for ring in exact]
        areas.append((_area(rings[0]) - sum(_area(ring) for ring in rings[1:]), rings))
    return [_joined(rings) for _, rings in sorted(areas, key=lambda item: -item[0])[:most]]


def outline(mask: npt.NDArray[np.bool_]) -> list[Points]:
    """The exact outline of a mask, bool (H, W), along the edges of its pixels: whole numbers, in polygons
    (n, 2) as `trace` makes them; a piece that hangs together at a corner alone may be two of them.

    Every program fills it as the same mask, whether it goes by the pixels' centres or not.
    """
    return [_joined([_corners(ring) for ring in rings]) for rings in _rings(mask)]


def _rings(mask: npt.NDArray[np.bool_]) -> Iterator[list[Points]]:
    """The outline of each connected area and those of its holes, through the middles of the pixels' edges;
    the first point is not repeated."""
    padded = np.pad(mask, 1).astype(np.float64)
    filled = contourpy.contour_generator(z=padded, fill_type=contourpy.FillType.OuterOffset).filled(
        0.5, np.inf
    )
    for points, offsets in zip(*filled, strict=True):
        # Column 1 of the padded mask is the centre of pixel 0, at 0.5.
        # The last point of a ring repeats the first.
        yield [points[a : b - 1] - 0.5 for a, b in pairwise(offsets)]


def _corners(ring: Points) -> Points:
    """The corners of pixels that a ring through the middles of their edges cuts off."""
    after = np.roll(ring, -1, axis=0)
    turns = (ring != after).all(axis=1)
    ring, after = ring[turns], after[turns]
    return np.where(ring == np.rint(ring), ring, after)


def _simplified(ring: Points, tolerance: float) -> Points:
    if tolerance <= 0 or len(ring) <= 4:
        return ring
    simple = cv2.approxPolyDP(ring.astype(np.float32)[:, None], tolerance, True)[:, 0].astype(np.float64)
    return simple if len(simple) >= 3 else ring


def _joined(rings: list[Points]) -> Points:
    """One closed line around the outline and its holes: to each hole and back where they are nearest."""
    if sum(map(len, rings)) > _FEW_POINTS:
        return _joined_to_outline(rings)
    joined = rings[0]
    for hole in sorted(rings[1:], key=lambda ring: float(ring[:, 0].min())):
        distance = ((joined[:, None] - hole[None]) ** 2).sum(axis=2)
        near, far = np.unravel_index(int(distance.argmin()), distance.shape)
        joined = np.concatenate([joined[: near + 1], hole[far:], hole[: far + 1], joined[near:]])
    return joined


def _joined_to_outline(rings: list[Points]) -> Points:
    """The same for thousands of holes:
    each is joined to the outline itself, and the cuts may cross other holes, which changes no pixel."""
    from scipy.spatial import cKDTree  # takes half a second of each start of the web server, and few masks it

    outline = rings[0]
    _, nearest = cKDTree(outline).query(np.asarray([hole[0] for hole in rings[1:]]).reshape(-1, 2))
    parts, at = [], 0
    for number in np.argsort(nearest, kind="stable"):
        near, hole = int(nearest[number]), rings[number + 1]
        parts += [outline[at : near + 1], hole, hole[:1]]
        at = near
    return np.concatenate([*parts, outline[at:]])


def _area(ring: Points) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
