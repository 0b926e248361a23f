"""Proof for larger pools: the choice as an integer program, with targets added as they turn out to matter."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from model.selection.hard_targets import HardTargets
from model.selection.problem import Problem

# A batch must be better by this much (in sums) to be looked for; HiGHS keeps constraints to 1e-6.
CUTOFF = 2e-6
# Work of one branch-and-bound run, in nodes times cells of its table, and the fewest nodes: the limit that ends most unfinished
# proofs, after about ten seconds, so that fast and slow machines agree.
MAX_WORK, MIN_NODES = 50_000_000, 50
# Runs, each with the targets that the one before had left out.
MAX_RUNS = 25


@dataclass(frozen=True)
class Proof:
    """What one run of the integer program found: a batch or none, a bound on the worst total of all batches, and whether it finished."""

    batch: list[int] | None
    bound: float
    finished: bool


def best_batch(
    problem: Problem,
    hard: HardTargets,
    kept: NDArray[np.int64],
    required: NDArray[np.int64],
    value: float,
    bound: float,
    deadline: float,
) -> Proof:
    """Look for a batch of `kept` candidates, with all `required` ones, whose worst hard target is above `value` + CUTOFF.

    maximise t, sum_z w_z d(x_z, x_j) + base_j >= t for the hard targets j, sum w = b, w in {0, 1}, value + CUTOFF <= t <= bound.
    The batch still has to be checked on the other targets; the bound holds for the whole problem.
    """
    width, height = len(kept), len(hard.members)
    floor = value + CUTOFF
    if floor >= bound or width < problem.budget:
        return Proof(None, min(bound, floor), True)
    result = milp(
        np.r_[np.zeros(width), -1.0],
        constraints=[
            LinearConstraint(np.c_[hard.gains[:, kept], -np.ones(height)], -hard.base, np.inf),
            LinearConstraint(np.r_[np.ones(width), 0.0][None], problem.budget, problem.budget),
        ],
        bounds=Bounds(np.r_[np.isin(kept, required).astype(float), floor], np.r_[np.ones(width), bound]),
        integrality=np.r_[np.ones(width), 0.0],
        options={
            "time_limit": max(0.1, deadline - time.monotonic()),
            "node_limit": max(MIN_NODES, MAX_WORK // (width * height)),
            "mip_rel_gap": 1e-7,
        },
    )
    if result.status == 2:  # infeasible: nothing beats the value
        return Proof(None, floor, True)
    proven = bound if result.mip_dual_bound is None else min(bound, max(floor, -float(result.mip_dual_bound)))
    batch = None
    if result.x is not None:
        batch = sorted(int(number) for number in kept[np.argsort(-result.x[:-1], kind="stable")[: problem.budget]])
    return Proof(batch, proven, result.status == 0)
