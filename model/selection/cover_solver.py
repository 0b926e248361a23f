"""The batch that covers the images best: greedy search, swaps, and a bound that proves how good it is.

With the mean over all images this is the facility location or k-median problem.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.selection.cover import Cover
from model.selection.cover_program import MOST_ENTRIES, CoverProgram
from model.selection.greedy_search import BLOCK
from model.selection.objective import Objective
from model.selection.outcome import Selection
from model.selection.problem import FloatArray, IntArray, Problem

logger = logging.getLogger(__name__)

ENTRIES = 6e9
"""Entries of d that the swaps, and the bound, look at: half a minute of two cores. They end long before in
pools of up to 1,000 images."""
BOUND_STEPS = 300
PATIENCE = 8
"""Steps without a better bound after which they get half as long."""
SHORTEST = 1e-3  # part of the longest step below which the bound hardly moves any more
GREEDY = 1 - 1 / math.e
"""Part of the best possible gain that greedy search reaches at least, where each gain can only shrink as
others join (Nemhauser et al. 1978)."""
ENOUGH = 5e-4
"""Dice between value and bound below which the proof ends: less than is shown of any dice."""
BETTER = 1e-6  # a sum must grow by this much to count as better


@dataclass(frozen=True)
class Bound:
    """total: proven; no batch has a higher sum over the images that count. hint: (b,) int64, the rows that
    the proof takes for the best, ascending."""

    total: float
    hint: IntArray


def select_cover(problem: Problem, objective: Objective, time_limit: float) -> tuple[Selection, IntArray]:
    """The batch of the highest objective that is found, with a proven bound; also as rows, ascending."""
    started = time.monotonic()
    deadline = started + time_limit
    counted = objective.counted(len(problem.gains))
    if problem.budget == len(problem.candidates):
        rows, total = problem.candidates, Cover(problem, objective, problem.candidates).total
        bound = total
    else:
        rows, total, bound = _solve(problem, objective, deadline)
    value = min(total / counted, 1.0)
    numbers = np.searchsorted(problem.candidates, rows)
    selection = Selection(problem.positions(numbers), value, min(max(value, bound / counted), 1.0))
    logger.info(
        "selection: %d of %d images in %.1f s, %s %.5f, upper bound %.5f",
        problem.budget,
        len(problem.candidates),
        time.monotonic() - started,
        objective,
        value,
        selection.upper_bound,
    )
    return selection, rows


def _solve(problem: Problem, objective: Objective, deadline: float) -> tuple[IntArray, float, float]:
    """Rows of the best batch found, their sum, and a proven bound on the sum of any batch."""
    start = Cover(problem, objective)
    before, greedy, alone = start.total, list[int](), None
    for _ in range(problem.budget):
        row, total = start.find_next(np.setdiff1d(problem.candidates, greedy))
        alone = start.gains.copy() if alone is None else alone
        start.add(row)
        greedy.append(row)
    assert alone is not None
    rows, best = _swap(problem, objective, np.sort(greedy), total, alone, deadline)
    proven = np.inf
    for bound in _bounds(problem, objective, rows, best, deadline):
        proven = min(proven, bound.total)
        if proven <= best + ENOUGH * start.counted:
            break
        hinted = Cover(problem, objective, bound.hint).total
        other, reached = _swap(problem, objective, bound.hint, hinted, alone, deadline)
        if reached > best + BETTER:
            rows, best = other, reached
    if objective is Objective.MEAN_MAX:
        proven = min(proven, before + (total - before) / GREEDY)
    return rows, best, proven


def _swap(
    problem: Problem,
    objective: Objective,
    rows: IntArray,
    total: float,
    alone: NDArray[np.float64],
    deadline: float,
) -> tuple[IntArray, float]:
    """Exchange one image of a batch at a time for a better one, until none is better.

    alone: (N,) what each row adds to the labelled images alone, which bounds what it adds to more.
    """
    trials = max(1, int(ENTRIES / problem.gains.size))
    batch, place, since = rows.tolist(), 0, 0
    while since < len(batch) and trials and time.monotonic() <= deadline:
        others = batch[:place] + batch[place + 1 :]
        cover = Cover(problem, objective, others, alone)
        row, reached = cover.find_next(np.setdiff1d(problem.candidates, others))
        since += 1
        if reached > total + BETTER:
            batch[place], total, since = row, reached, 1
        place, trials = (place + 1) % len(batch), trials - 1
    return np.sort(np.array(batch, dtype=np.int64)), total


def _bounds(
    problem: Problem, objective: Objective, rows: IntArray, total: float, deadline: float
) -> Iterator[Bound]:
    """Ever better bounds, or nearly so, on what any batch can reach; `rows` is one that reaches `total`."""
    start = Cover(problem, objective)
    reached = Cover(problem, objective, rows).levels
    if start.counted == len(reached) or problem.gains.size > MOST_ENTRIES:
        yield _bound_by_duals(problem, start, reached, total, deadline)
        return
    program = CoverProgram(
        problem.gains[problem.candidates], start.levels.astype(np.float64), problem.budget, start.counted
    )
    enough = ENOUGH * start.counted
    program.relax(reached.astype(np.float64), total, enough, deadline)
    yield Bound(program.bound, problem.candidates[program.hint])
    program.branch(total, enough, deadline)
    yield Bound(program.bound, problem.candidates[program.hint])


def _bound_by_duals(
    problem: Problem, start: Cover, reached: FloatArray, total: float, deadline: float
) -> Bound:
    """The best bound that dual values of covering each image prove (Lagrangian).

    Let an image j count as covered up to a level l_j, at least that of the labelled images, for nothing.
    Then each candidate z adds sum_j max(0, d(x_z, x_j) - l_j), whatever the others do, and the b that add
    most are the best that any batch can be: sum_j l_j plus what they add is a bound, for all levels.
    With the levels that a batch reaches this is the data-dependent bound of a submodular function;
    subgradient steps (Held & Karp 1971) from there make it nearly as sharp as a linear program would.
    Where the worst images count, they are those that are worst at the levels `reached`, (T,), by a batch of
    that `total`: others can only be better.
    """
    worst = np.sort(np.argsort(reached, kind="stable")[: start.counted])
    gains = problem.gains if start.counted == len(reached) else problem.gains[:, worst]
    least, levels = start.levels[worst], reached[worst]
    best, length, stale = Bound(np.inf, problem.candidates), 1.0, 0
    for _ in range(int(min(BOUND_STEPS, 1 + ENTRIES / gains.size))):
        added = _added(gains, problem.candidates, levels)
        hint = np.sort(problem.candidates[np.argsort(-added, kind="stable")[: problem.budget]])
        bound = float(levels.sum(dtype=np.float64) + np.sort(added)[-problem.budget :].sum())
        best, stale = (Bound(bound, hint), 0) if bound < best.total - BETTER else (best, stale + 1)
        if best.total - total <= ENOUGH * start.counted or time.monotonic() > deadline:
            break
        if stale >= PATIENCE:
            length, stale = length / 2, 0
            if length < SHORTEST:
                break
        slope = 1.0 - (gains[hint] > levels).sum(axis=0)
        slope[(levels <= least) & (slope > 0)] = 0
        square = float((slope**2).sum())
        if not square:
            break
        step = (length * max(bound - total, BETTER) / square * slope).astype(levels.dtype)
        levels = np.maximum(least, levels - step)
    return best


def _added(gains: FloatArray, candidates: IntArray, levels: FloatArray) -> NDArray[np.float64]:
    """sum_j max(0, d(x_z, x_j) - l_j) of each candidate: float64 (C,)."""
    found = np.empty(len(candidates))
    for first in range(0, len(candidates), BLOCK):
        part = slice(first, first + BLOCK)
        found[part] = np.maximum(gains[candidates[part]], levels).sum(axis=1, dtype=np.float64)
    return np.maximum(found - levels.sum(dtype=np.float64), 0)
