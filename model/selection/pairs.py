"""The last two images of a batch at once: which pairs would lift every target, found in sets of bits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Steps of the gain in which pairs are filed for each target, and the memory for all these sets of bits.
LEVELS, MEMORY = 128, 64 * 2**20
# Targets, the most selective of each partial batch, whose sets are intersected before the pairs left are
# compared on all.
COMPARED = 40


@dataclass(frozen=True)
class Pairs:
    """All pairs of C candidates, filed for each of T targets by what they add to it.

    first, second: (P,) int64, the candidates of each pair, first < second, ascending.
    floor, step: (T,) float64; a pair is in level l of target j if it adds at least floor + l step to it.
    filed: (T, levels + 1, W) uint64, the pairs of each level as bits; the last level is empty.
    number: (T, levels + 1) int64, how many these are.
    later: (C, W) uint64, the pairs of candidates after each.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    floor: NDArray[np.float64]
    step: NDArray[np.float64]
    filed: NDArray[np.uint64]
    number: NDArray[np.int64]
    later: NDArray[np.uint64]

    def hopeful(
        self, needed: NDArray[np.float64], last: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (parent, pair) for the pairs of later candidates that may add more than is needed, a
        superset: two (S,) int64.

        needed: (k, T) float64, what k partial batches lack on each target; last:
        (k,) int64, the last candidate of each.
        """
        levels = self.filed.shape[1] - 1
        level = np.clip((needed - self.floor) / self.step, 0, levels).astype(np.int64)
        targets = np.arange(needed.shape[1])
        compared = min(COMPARED, len(targets))
        selective = np.argpartition(self.number[targets, level], compared - 1, axis=1)[:, :compared]
        open_ = self.later[last]
        for column in selective.T:
            open_ &= self.filed[column, level[np.arange(len(level)), column]]
        parents, words = np.nonzero(open_)
        bits = np.unpackbits(open_[parents, words].view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        places, bit = np.nonzero(bits)
        return parents[places], words[places] * 64 + bit


def file_pairs(gains: NDArray[np.float64]) -> Pairs:
    """File the pairs of candidates by what they add together: (C, T) float64."""
    count, width = gains.shape
    first, second = np.triu_indices(count, 1)
    words = -(-len(first) // 64)
    levels = int(np.clip(MEMORY // (width * words * 8), 8, LEVELS))
    low, high = np.empty(width), np.empty(width)
    filed = np.zeros((width, levels + 1, words), dtype=np.uint64)
    number = np.zeros((width, levels + 1), dtype=np.int64)
    for target in range(width):
        sums = gains[first, target] + gains[second, target]
        low[target], high[target] = sums.min(), sums.max()
        edges = low[target] + np.arange(levels) * (high[target] - low[target]) / levels
        held = sums >= edges[:, None]
        filed[target, :levels] = as_bits(held, words)
        number[target, :levels] = held.sum(axis=1)
    step = np.maximum(high - low, 1e-9) / levels
    return Pairs(first, second, low, step, filed, number, as_bits(first > np.arange(count)[:, None], words))


def as_bits(held: NDArray[np.bool_], words: int) -> NDArray[np.uint64]:
    """Pack rows of truth values into words of 64 bits, the first value in the lowest bit:
    (k, P) bool to (k, W) uint64."""
    padded = np.zeros((len(held), words * 64), dtype=bool)
    padded[:, : held.shape[1]] = held
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)
