"""Proof for small pools:
a search over all batches that leaves out whole families which cannot beat the best one known."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.selection.pairs import Pairs, file_pairs

# Partial batches extended at a time, and cells (batches times targets) compared at a time;
# both bound the memory.
BLOCK, CELLS = 1024, 2_000_000
# Hardest targets per partial batch on which all extensions are compared before the full comparison.
SCREENED_TARGETS = 5
# Budget from which the last two images are looked for together;
# below it there are few partial batches, and maybe many pairs.
PAIRED_BUDGET = 4
# Sums must differ by this much to count as better.
BETTER = 1e-9


@dataclass
class Enumeration:
    """A depth-first search over batches in blocks.

    reach: for each number r of images still to choose, (C, T) float64:
    the most that candidate z together with r - 1 later
        ones can add to target j.
        A partial batch whose total plus this stays below the best value anywhere is dropped.
    reach_of_target: the same as (T, C), for the comparison on single targets.
    batch, value: the best found so far (empty while nothing beats the starting value) and its worst total.
    """

    gains: NDArray[np.float64]
    reach: list[NDArray[np.float64]]
    reach_of_target: list[NDArray[np.float64]]
    value: float
    deadline: float
    pairs: Pairs | None
    batch: tuple[int, ...] = ()
    finished: bool = True


def enumerate_batches(
    gains: NDArray[np.float64],
    base: NDArray[np.float64],
    budget: int,
    prices: NDArray[np.float64],
    value: float,
    deadline: float,
) -> tuple[tuple[int, ...], float, bool]:
    """Return the best batch above `value` (empty if there is none), its worst total, and whether the search
    was complete.

    gains: (C, T) float64; base: (T,); prices: (T,) >= 0 with sum 1:
    the priced mean joins as one more target, since its total must also reach the value, and no other target
    bounds large families as well.
    """
    order = np.argsort(-(gains @ prices), kind="stable")
    wide = np.c_[gains @ prices, gains][order]
    reach = reaches(wide, budget)
    pairs = file_pairs(wide) if budget >= PAIRED_BUDGET else None
    state = Enumeration(
        wide, reach, [np.ascontiguousarray(table.T) for table in reach], value, deadline, pairs
    )
    start = np.r_[prices @ base, base]
    extend(state, np.empty((1, 0), dtype=np.int64), start[None], budget)
    return tuple(sorted(int(order[number]) for number in state.batch)), state.value, state.finished


def reaches(gains: NDArray[np.float64], budget: int) -> list[NDArray[np.float64]]:
    """Return for r = 1 .. budget the (C, T) gain of each candidate plus the r - 1 best later ones;
    -inf where too few are left."""
    count, width = gains.shape
    best: NDArray[np.float64] = np.full(
        (budget, width), -np.inf
    )  # the largest gains among later candidates, descending
    table: list[NDArray[np.float64]] = [np.full((count, width), -np.inf) for _ in range(budget)]
    for number in range(count - 1, -1, -1):
        later = np.cumsum(best, axis=0)
        table[0][number] = gains[number]
        for left in range(1, budget):
            table[left][number] = gains[number] + later[left - 1]
        best = -np.sort(-np.r_[best, gains[number][None]], axis=0)[:budget]
    return table


def extend(state: Enumeration, chosen: NDArray[np.int64], totals: NDArray[np.float64], left: int) -> None:
    """Search all completions of partial batches by `left` more images:
    chosen (k, m) int64, totals (k, 1 + T) float64."""
    for start in range(0, len(chosen), BLOCK):
        if time.monotonic() > state.deadline:
            state.finished = False
            return
        block, sums = chosen[start : start + BLOCK], totals[start : start + BLOCK]
        if left == 2 and state.pairs is not None:
            complete(state, state.pairs, block, sums)
            continue
        parents, numbers = extensions(state, block, sums, left)
        step = at_a_time(totals)
        for first in range(0, len(parents), step):
            some, new = parents[first : first + step], numbers[first : first + step]
            grown = sums[some] + state.gains[new]
            batches = np.c_[block[some], new]
            if left > 1:
                extend(state, batches, grown, left - 1)
                continue
            worth = grown.min(axis=1)
            if len(worth) and worth.max() > state.value + BETTER:
                state.value, state.batch = float(worth.max()), tuple(batches[int(worth.argmax())].tolist())


def complete(
    state: Enumeration, pairs: Pairs, chosen: NDArray[np.int64], totals: NDArray[np.float64]
) -> None:
    """Search all completions of partial batches by two more images:
    chosen (k, m) int64, totals (k, 1 + T) float64."""
    parents, numbers = pairs.hopeful(state.value + BETTER - totals, chosen[:, -1])
    step = at_a_time(totals)
    for first in range(0, len(parents), step):
        if time.monotonic() > state.deadline:
            state.finished = False
            return
        some, new = parents[first : first + step], numbers[first : first + step]
        one, two = pairs.first[new], pairs.second[new]
        worth = (totals[some] + state.gains[one] + state.gains[two]).min(axis=1)
        best = int(worth.argmax())
        if worth[best] > state.value + BETTER:
            state.value, state.batch = (
                float(worth[best]),
                (*chosen[some[best]].tolist(), int(one[best]), int(two[best])),
            )


def at_a_time(totals: NDArray[np.float64]) -> int:
    """Return how many batches are compared at a time, where their totals are rows of (k, 1 + T)."""
    return max(1, CELLS // totals.shape[1])


def extensions(
    state: Enumeration, chosen: NDArray[np.int64], totals: NDArray[np.float64], left: int
) -> tuple[NDArray[np.int64], ...]:
    """Return the pairs (row of `chosen`, later candidate) whose best completion beats the value on every
    target: two (P,) int64."""
    reach, needed = state.reach[left - 1], state.value + BETTER - totals
    count = len(state.gains)
    last = chosen[:, -1] if chosen.shape[1] else np.full(len(chosen), -1)
    columns = min(SCREENED_TARGETS, needed.shape[1])
    hardest = np.argpartition(-needed, columns - 1, axis=1)[:, :columns]
    open_ = np.arange(count)[None] > last[:, None]
    for column in hardest.T:
        open_ &= state.reach_of_target[left - 1][column] > needed[np.arange(len(chosen)), column][:, None]
    parents, numbers = np.nonzero(open_)
    passed = np.ones(len(parents), dtype=bool)
    step = at_a_time(totals)
    for first in range(0, len(parents), step):
        part = slice(first, first + step)
        passed[part] = (reach[numbers[part]] > needed[parents[part]]).all(axis=1)
    return parents[passed], numbers[passed]
