"""Greedy maximisation of a weighted cover: each image the one that is near most of what none before it is.

It never holds all pairs: how near images are to all others comes in blocks, on demand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Nearness = Callable[[npt.NDArray[np.intp]], Floats]
"""Of (M,) positions to all N: float32 (M, N), in [0, 1], the same whenever it is asked for."""

BLOCK = 256
"""Images compared with all others at once; bounds the memory."""
TRIED = 16
"""Images whose gain is computed again at once; those of the best earlier gains."""
EXACT_STEPS = 500
"""Images chosen one by one, more than anyone labels before there is a new order; the rest comes by what each
adds to these alone."""
SEEN = 1e-3
"""A nearness above the cover by less than that is none: duplicates differ in their last bits."""


@dataclass(frozen=True)
class Covering:
    """An order of positions that covers all, as well as any prefix of it can.

    order: all positions that were not labelled. represents: for each, how many positions, itself included,
    it was nearer to than any labelled one or one before it.
    """

    order: list[int]
    represents: list[int]


def cover_greedily(
    nearness: Nearness,
    count: int,
    labelled: Sequence[int],
    *,
    weights: Floats | None = None,
    exact_steps: int = EXACT_STEPS,
) -> Covering:
    """Order all of `count` positions that are not `labelled`, each the one that raises

    sum over x of w(x) * max over labelled or chosen z of nearness(z, x)

    most. weights: w, float32 (N,), not negative; 1 where there are none.
    Ties by position. After `exact_steps` the rest comes by its gain over them.
    """
    weights = np.ones(count, dtype=np.float32) if weights is None else weights
    cover = np.zeros(count, dtype=np.float32)
    for part in _blocks(np.array(labelled, dtype=np.intp)):
        cover = np.maximum(cover, nearness(part).max(axis=0))
    open_ = np.ones(count, dtype=bool)
    open_[list(labelled)] = False
    gains, _ = _gains(nearness, np.arange(count), cover, weights)
    order: list[int] = []
    represents: list[int] = []
    while open_.any() and len(order) < exact_steps:
        chosen = _next(nearness, gains, cover, open_, weights)
        near = nearness(np.array([chosen]))[0]
        represents.append(int(_count_nearer(near, cover)))
        cover = np.maximum(cover, near)
        open_[chosen] = False
        order.append(chosen)
    rest = np.flatnonzero(open_)
    left, counts = _gains(nearness, rest, cover, weights)
    places = np.argsort(-left, kind="stable")
    return Covering(order + rest[places].tolist(), represents + counts[places].tolist())


def _next(
    nearness: Nearness, gains: Floats, cover: Floats, open_: npt.NDArray[np.bool_], weights: Floats
) -> int:
    """The open position of the largest gain. `gains` hold earlier ones, which can only have been larger, and
    are brought up to date as far as needed."""
    fresh = np.zeros(len(gains), dtype=bool)
    while True:
        shown = np.where(open_, gains, -1.0)
        best = int(shown.argmax())
        if fresh[best]:
            return best
        tried = np.argsort(-np.where(fresh, -1.0, shown), kind="stable")[:TRIED]
        gains[tried], _ = _gains(nearness, tried, cover, weights)
        fresh[tried] = True


def _gains(
    nearness: Nearness, places: npt.NDArray[np.intp], cover: Floats, weights: Floats
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """What each of some positions would add to the sum, float32, and how many it is nearest to, int64."""
    found = np.empty(len(places), dtype=np.float32)
    counts = np.empty(len(places), dtype=np.int64)
    first = 0
    for part in _blocks(places):
        near, own = nearness(part), slice(first, first + len(part))
        found[own] = np.maximum(near - cover, 0) @ weights
        counts[own] = _count_nearer(near, cover)
        first += len(part)
    unit = weights.max(initial=0.0) or 1.0
    return np.round(found / unit, 3) * unit, counts  # duplicates differ in their last bits


def _count_nearer(near: Floats, cover: Floats) -> npt.NDArray[np.int64]:
    return np.count_nonzero(near > cover + SEEN, axis=-1)


def _blocks(places: npt.NDArray[np.intp]) -> list[npt.NDArray[np.intp]]:
    return [places[first : first + BLOCK] for first in range(0, len(places), BLOCK)]
