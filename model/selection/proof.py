"""The proof that hardly a better batch exists, or the better one:
an integer program over what the relaxation leaves open."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from model.selection.active_set import ActiveSet
from model.selection.local_search import BETTER, Batch
from model.selection.problem import Problem

# Seconds between two looks at whether somebody wants to end the program meanwhile.
LOOK = 0.2
# No program is begun with less time than this.
LEAST_SECONDS = 0.1
# Candidates times targets of the largest program: in larger ones HiGHS proves nothing in half a minute, and
# looks at the clock too seldom.
MOST_ENTRIES = 200_000
# Relative distance of the bound above which no program of more entries than this is tried:
# on such pools (dice without any structure) it uses up any time without moving the bound far.
HOPELESS, HOPELESS_ENTRIES = 0.5, 10_000
# Nodes of the search: the limit that ends most unfinished proofs, so that fast and slow machines agree.
MOST_NODES = 5_000


def prove(
    problem: Problem,
    active: ActiveSet,
    kept: NDArray[np.int64],
    batch: Batch,
    bound: float,
    tolerance: float,
    deadline: float,
    nodes: int,
) -> tuple[Batch, float]:
    """Return the best batch found, and a proven bound on the worst total of any batch.

    kept: (K,) int64, the candidates that a batch better than `batch` may contain; bound: what is proven;
    nodes: of the search in each program.
    Targets are added until the program knows all that its best batch serves badly;
    the bound holds whenever the time ends.
    """
    value, rounding = problem.worst(batch), tolerance / 2  # the solver's own is about as large
    while bound - value > tolerance and deadline - time.monotonic() > LEAST_SECONDS:
        entries = len(kept) * len(active.members)
        if entries > MOST_ENTRIES or (entries > HOPELESS_ENTRIES and bound > value * (1 + HOPELESS)):
            break
        solved = in_background(solve, problem, active, kept, value, bound, deadline, nodes)
        if solved.mip_dual_bound is not None:
            bound = min(bound, max(value, -float(solved.mip_dual_bound)) + rounding)
        if solved.x is None or solved.x[len(kept)] > 0.5:
            break
        found = [int(number) for number in kept[solved.x[: len(kept)] > 0.5]]
        totals = problem.totals(found)
        worth = float(totals.min())
        if worth > value:
            batch, value = found, worth
        if not active.add_cuts(totals, float(active.totals(found).min()) - BETTER) or solved.status != 0:
            break
    return batch, max(bound, value)


def solve(
    problem: Problem,
    active: ActiveSet,
    kept: NDArray[np.int64],
    value: float,
    bound: float,
    deadline: float,
    nodes: int,
) -> OptimizeResult:
    """Solve max t, sum_z w_z d(x_z, x_j) + base_j >= t for the active targets j, sum w = b, w in {0, 1},
    value <= t <= bound; x holds w, whether the batch that is known stands instead, and t.

    That choice takes the place of all images and is worth `value`.
    So the solver has a solution from the start, without which it would not tell what it has proven.
    """
    width, height = len(kept), len(active.members)
    return milp(
        np.r_[np.zeros(width + 1), -1.0],
        constraints=[
            LinearConstraint(
                np.c_[active.gains[:, kept], value - active.base, -np.ones(height)], -active.base, np.inf
            ),
            LinearConstraint(
                np.r_[np.ones(width), problem.budget, 0.0][None], problem.budget, problem.budget
            ),
        ],
        bounds=Bounds(np.r_[np.zeros(width + 1), value], np.r_[np.ones(width + 1), bound]),
        integrality=np.r_[np.ones(width + 1), 0.0],
        options={
            "time_limit": max(LEAST_SECONDS, deadline - time.monotonic()),
            "node_limit": nodes,
            "mip_rel_gap": 0.0,
        },
    )


def in_background(work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` returns for its arguments, done in another thread:
    the solver hears no signal, so that Ctrl-C would wait for its end."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work(*arguments))
        except BaseException as error:  # raised where it is waited for
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(LOOK)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]
