"""How well each image is covered by its best teacher, and which image to add next."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from model.selection.greedy_search import BLOCK, ties
from model.selection.objective import Objective
from model.selection.problem import FloatArray, IntArray, Problem

ENTRIES = 2_000_000_000
"""Entries of d that the order after a batch looks at where only the worst images count: some seconds."""
COVERED = 1e-6
"""Dice below 1 at which an image counts as covered."""


class Cover:
    """The labelled and chosen images, and what they cover.

    levels: (T,) of the dtype of the gains, max over labelled and chosen z of d(x_z, x_j), 0 where there is
    none. counted: how many of the images count, the worst ones. bounds: (N,) float64, what the sum over the
    images that count can be at most with each image added; infinite where it was never looked at.
    All positions are canonical.
    """

    def __init__(
        self,
        problem: Problem,
        objective: Objective,
        chosen: Iterable[int] = (),
        gains: NDArray[np.float64] | None = None,
    ) -> None:
        self.problem, self.objective = problem, objective
        self.counted = objective.counted(len(problem.gains))
        self.levels: FloatArray = np.zeros(len(problem.gains), dtype=problem.gains.dtype)
        for row in (*problem.labelled, *chosen):
            np.maximum(self.levels, problem.gains[row], out=self.levels)
        self.gains = np.full(len(problem.gains), np.inf) if gains is None else gains.copy()

    @property
    def total(self) -> float:
        """The sum over the images that count, the figure to maximise times their number."""
        return float(self._sums(self.levels[None])[0])

    @property
    def complete(self) -> bool:
        """Whether every image is covered, so that no further one adds anything."""
        return bool(self.levels.min() >= 1 - COVERED)

    def add(self, row: int) -> None:
        """Let an image join the chosen."""
        self.levels = np.maximum(self.levels, self.problem.gains[row])

    def find_next(self, pool: IntArray) -> tuple[int, float]:
        """The row of `pool` (ascending) that leaves the highest sum, and that sum; ties by the mean over all
        images, then by position.

        Lazy evaluation: rows are looked at in the order of what they can reach at most, until none can reach
        more than the best one looked at.
        """
        bounds = self._bounds(pool)
        best: tuple[float, float, int, float] | None = None
        while len(pool):
            rounded = ties(bounds)
            head = np.lexsort((pool, -rounded))[:BLOCK]
            if best is not None and rounded[head[0]] < -best[0]:
                break
            rows = pool[head]
            sums, everything = self._worth(rows)
            worth = ties(sums)
            first = int(np.lexsort((rows, -everything, -worth))[0])
            found = (-float(worth[first]), -float(everything[first]), int(rows[first]), float(sums[first]))
            best = found if best is None else min(best, found)
            open_ = rounded >= -best[0]  # anything below cannot win any more
            open_[head] = False
            pool, bounds = pool[open_], bounds[open_]
        assert best is not None
        return best[2], best[3]

    def _worth(self, rows: IntArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The sum over the images that count with each of some rows added, and, rounded, that over all."""
        after = np.maximum(self.problem.gains[rows], self.levels)
        everything = after.sum(axis=1, dtype=np.float64)
        if self.counted == after.shape[1]:
            self.gains[rows] = everything - self.levels.sum(dtype=np.float64)
            return everything, np.zeros(len(rows))
        return self._sums(after), ties(everything)

    def _sums(self, expected: FloatArray) -> NDArray[np.float64]:
        """Sums over the images that count: (k, T) to (k,) float64."""
        if self.counted < expected.shape[1]:
            expected = np.partition(expected, self.counted - 1, axis=1)[:, : self.counted]
        total: NDArray[np.float64] = expected.sum(axis=1, dtype=np.float64)
        return total

    def _bounds(self, pool: IntArray) -> NDArray[np.float64]:
        """What the sum can be at most with each row of the pool added: (P,) float64.

        Over all images a gain never grows as others join, so an earlier one bounds it. Over the worst images
        the sum is at most that over those that are the worst now.
        """
        if self.counted == len(self.levels):
            return self.levels.sum(dtype=np.float64) + self.gains[pool]
        worst = np.sort(np.argpartition(self.levels, self.counted - 1)[: self.counted])
        found = np.empty(len(pool))
        for first in range(0, len(pool), BLOCK):
            part = slice(first, first + BLOCK)
            after = np.maximum(self.problem.gains[np.ix_(pool[part], worst)], self.levels[worst])
            found[part] = after.sum(axis=1, dtype=np.float64)
        return found


def order_by_cover(problem: Problem, objective: Objective, batch: IntArray) -> list[int]:
    """All candidates in the order of labelling, as canonical positions: the batch, each of it the one that
    adds most, then all others alike.

    Where only the worst images count, each further step looks at most of the pool; so after some of them, in
    a large pool fewer, it is the mean that the rest raises.
    """
    cover = Cover(problem, objective)
    order = _extend(cover, batch, len(batch))
    steps = len(problem.gains) if cover.counted == len(problem.gains) else ENTRIES // problem.gains.size
    order += _extend(cover, np.setdiff1d(problem.candidates, batch), steps)
    if len(order) < len(problem.candidates):
        rest = Cover(problem, Objective.MEAN_MAX, order)
        order += _extend(rest, np.setdiff1d(problem.candidates, order), len(problem.candidates))
    return order


def _extend(cover: Cover, pool: IntArray, steps: int) -> list[int]:
    """Up to `steps` rows of a pool, each the one that adds most; by position once nothing adds anything."""
    order: list[int] = []
    while len(pool) and len(order) < steps:
        if cover.complete:
            return order + [int(row) for row in pool[: steps - len(order)]]
        row, _ = cover.find_next(pool)
        cover.add(row)
        pool = pool[pool != row]
        order.append(row)
    return order
