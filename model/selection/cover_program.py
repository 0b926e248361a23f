"""How good a batch can be at most where the worst images count: a linear relaxation, and an integer program.

Prices of covering fixed images (`cover_solver`) leave out that another batch leaves other images worst. The
mean of the worst share is concave in what is expected on each image, so that a linear program takes all
choices of worst images at once (Rockafellar & Uryasev 2000, conditional value at risk):

    max  eta - 1/k sum_j s_j,   s_j >= eta - c_j,   s_j >= 0,   sum_z w_z = b,   0 <= w_z <= 1

c_j is what is expected on image j. Whatever the level l, covering it up to l for nothing is no loss:

    c_j <= l + sum_z w_z max(0, d(x_z, x_j) - l)

Few levels of each image matter. They are found where the last solution claims more than its weights reach
(cutting planes: Benders decomposition of facility location).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, linprog, milp

from model.selection.problem import FloatArray, IntArray
from model.selection.proof import LEAST_SECONDS, in_background

Floats = NDArray[np.float64]

MOST_ENTRIES = 2_500_000
"""Entries of d above which dual values of fixed images have to do: they prove enough in large pools, and a
program of so many cuts takes minutes."""
ROUNDS = 30
CLAIMED = 1e-4
"""Dice that a solution may claim on an image beyond what its weights reach."""
FEWEST_NODES, NODE_ENTRIES = 50, 1_000_000
"""Of the search of the integer program: at least, and more where there are fewer entries of d. In large pools
what it proves comes from its root. A limit of nodes, so that fast and slow machines agree."""
ROUNDING = 5e-7  # of the solver, in dice


@dataclass
class CoverProgram:
    """The program for `budget` of C candidates.

    gains: (C, T), d of the candidates to the images. least: (T,), what the labelled images cover.
    counted: k, how many images count. bound: on the sum over the images that count, of any batch.
    hint: (b,), the candidates that the last solution takes most of, ascending.
    """

    gains: FloatArray
    least: Floats
    budget: int
    counted: int
    bound: float = np.inf
    hint: IntArray = field(init=False)
    _cuts: list[sparse.csr_array] = field(default_factory=list)
    _levels: list[Floats] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bound, self.hint = float(self.counted), np.arange(self.budget)

    def relax(self, levels: Floats, total: float, enough: float, deadline: float) -> None:
        """Solve the linear program, as far as there is time, or until the bound is within `enough` of the
        `total` that a batch reaches. levels: (T,), with which to begin, such as those of a good batch."""
        self._cut(np.arange(len(self.least)), np.maximum(levels, self.least))
        for _ in range(ROUNDS):
            done = self._step(self._solve_relaxed, deadline)
            if done or self.bound - total <= enough:
                return

    def branch(self, total: float, enough: float, deadline: float) -> None:
        """Solve the same program for whole images, as far as there is time."""
        for _ in range(ROUNDS):
            done = self._step(self._solve_whole, deadline)
            if done or self.bound - total <= enough:
                return

    def _step(self, solve: Callable[[float], OptimizeResult], deadline: float) -> bool:
        """Solve once, and cut off what the solution claims but does not reach; whether that is all."""
        if deadline - time.monotonic() < LEAST_SECONDS:
            return True
        solved = in_background(solve, deadline)
        bound = solved.fun if solved.status == 0 else getattr(solved, "mip_dual_bound", None)
        if solved.x is None or bound is None:
            return True
        self.bound = min(self.bound, ROUNDING * self.counted - bound)
        weights, claims = np.split(solved.x, [len(self.gains), len(self.gains) + len(self.least)])[:2]
        self.hint = np.sort(np.argsort(-weights, kind="stable")[: self.budget])
        levels, reached = self._reach(weights)
        claimed = np.flatnonzero(claims > reached + CLAIMED)
        self._cut(claimed, levels[claimed])
        return solved.status != 0 or not len(claimed)

    def _cut(self, images: IntArray, levels: Floats) -> None:
        """Add a level for each of some images."""
        above = np.maximum(self.gains[:, images] - levels, 0).T
        claims = sparse.csr_array(
            (np.ones(len(images)), images, np.arange(len(images) + 1)), shape=(len(images), len(self.least))
        )
        self._cuts.append(sparse.hstack([sparse.csr_array(-above), claims], format="csr"))
        self._levels.append(levels)

    def _reach(self, weights: Floats) -> tuple[Floats, Floats]:
        """What fractions of candidates, (C,), cover of each image, (T,), and the level below which no more of
        them is needed, (T,)."""
        used = np.flatnonzero(weights > 0)
        order = np.argsort(-self.gains[used], axis=0, kind="stable")
        gains = np.take_along_axis(self.gains[used], order, axis=0).astype(np.float64)
        full = np.cumsum(weights[used][order], axis=0) >= 1 - ROUNDING
        levels = np.where(full.any(axis=0), gains[full.argmax(axis=0), np.arange(gains.shape[1])], 0)
        levels = np.maximum(levels, self.least)
        return levels, levels + (np.maximum(gains - levels, 0) * weights[used][order]).sum(axis=0)

    def _rows(self) -> tuple[Floats, sparse.csr_array, Floats, sparse.csr_array]:
        """The objective, and rows with their upper limits, then the row of the budget. The variables are
        w (C,), c (T,), s (T,) and eta."""
        candidates, images = len(self.gains), len(self.least)
        none = sparse.csr_array((sum(map(len, self._levels)), images + 1))
        each = sparse.eye_array(images)
        short = [sparse.csr_array((images, candidates)), -each, -each, np.ones((images, 1))]
        rows = sparse.vstack([sparse.hstack([sparse.vstack(self._cuts), none]), sparse.hstack(short)], "csr")
        limits = np.concatenate([*self._levels, np.zeros(images)])
        objective = np.r_[np.zeros(candidates + images), np.ones(images), -float(self.counted)]
        places = sparse.csr_array(np.r_[np.ones(candidates), np.zeros(2 * images + 1)][None])
        return objective, rows, limits, places

    def _solve_relaxed(self, deadline: float) -> OptimizeResult:
        objective, rows, limits, places = self._rows()
        return linprog(
            objective, rows, limits, places, [self.budget], (0, 1), "highs-ds", options=_time(deadline)
        )

    def _solve_whole(self, deadline: float) -> OptimizeResult:
        objective, rows, limits, places = self._rows()
        whole = np.zeros(len(objective))
        whole[: len(self.gains)] = 1
        return milp(
            objective,
            integrality=whole,
            bounds=Bounds(0, 1),
            constraints=[
                LinearConstraint(rows, -np.inf, limits),
                LinearConstraint(places, self.budget, self.budget),
            ],
            options={
                **_time(deadline),
                "node_limit": FEWEST_NODES + NODE_ENTRIES // self.gains.size,
                "mip_rel_gap": 0.0,
            },
        )


def _time(deadline: float) -> dict[str, Any]:
    return {"time_limit": max(LEAST_SECONDS, deadline - time.monotonic())}
