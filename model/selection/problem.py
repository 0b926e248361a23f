"""The checked input of a selection, in an order that depends on the ids only."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.errors import BudgetError, PoolError

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]

# Dice values may leave [0, 1] by this much through rounding before they count as wrong.
RANGE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Problem:
    """Choose `budget` of the candidates so that the worst target has the highest expected dice.

    Three index spaces are in use. Input: the caller's positions. Canonical:
    positions after sorting by id, which makes the outcome independent of the order of the input. Candidates:
    numbers 0 .. C-1 of the unlabelled images in canonical order.

    similarity: (N, N) float32 or float64, as the caller gave it, checked.
    gains: (N, T) of the same dtype, canonical rows and columns:
    what an image adds to the sum of Eq. 3 of each target. All images are targets, so T = N.
    order: (N,) int64, input position of each canonical position.
    labelled, candidates: (L,), (C,) int64, canonical positions, ascending.
    base: (T,) float64, sum of the gains of the labelled images.
    """

    similarity: FloatArray
    gains: FloatArray
    order: IntArray
    labelled: IntArray
    candidates: IntArray
    base: NDArray[np.float64]
    budget: int

    @property
    def size(self) -> int:
        """|Z|, the number of labelled images after the batch, by which sums become expected dice (Eq. 3)."""
        return len(self.labelled) + self.budget

    def rows(self, chosen: ArrayLike) -> NDArray[np.float64]:
        """Return the gains of some candidates over all targets: (k,) candidate numbers to (k, T) float64."""
        return self.gains[self.candidates[np.asarray(chosen, dtype=np.int64)]].astype(np.float64)

    def totals(self, chosen: ArrayLike) -> NDArray[np.float64]:
        """Return |Z| p(x_j) for all targets when the candidates `chosen` join the labelled: (T,) float64."""
        return self.base + self.rows(chosen).sum(axis=0)

    def worst(self, chosen: ArrayLike) -> float:
        """Return the smallest total over the targets, the figure to maximise."""
        return float(self.totals(chosen).min())

    def positions(self, chosen: Iterable[int]) -> tuple[int, ...]:
        """Map candidate numbers to the caller's positions, in the order given."""
        return tuple(int(self.order[self.candidates[number]]) for number in chosen)


def pose(
    similarity: ArrayLike,
    labelled: Iterable[int],
    budget: int,
    ids: Sequence[str] | None = None,
) -> Problem:
    """Check the input and bring it into canonical order.

    similarity: (N, N) float in [0, 1];
    row i is the network trained on image i alone, column j the image it predicts.
    The matrix is copied only where the ids are not sorted.
    Raises BudgetError and PoolError for what a person can mend, ValueError for anything malformed.
    """
    matrix = checked_similarity(similarity)
    count = len(matrix)
    order = canonical_order(ids, count)
    inverse = np.empty(count, dtype=np.int64)
    inverse[order] = np.arange(count)
    known = np.sort(inverse[checked_positions(labelled, count, "labelled")])
    free = np.setdiff1d(np.arange(count), known)
    if not 1 <= budget <= len(free):
        remedy = "ask for at least one image" if budget < 1 else "ask for fewer images or add unlabelled ones"
        raise BudgetError(
            f"budget {budget} is not between 1 and the number of unlabelled images, {len(free)}: {remedy}"
        )
    gains = matrix if bool((order == np.arange(count)).all()) else matrix[np.ix_(order, order)]
    base = gains[known].sum(axis=0, dtype=np.float64)
    return Problem(matrix, gains, order, known, free, base, int(budget))


def checked_similarity(similarity: ArrayLike) -> FloatArray:
    """Return the similarity as (N, N) float32 or float64, uncopied where possible;
    ValueError unless square, finite and in [0, 1]."""
    matrix = np.asarray(similarity)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"similarity: expected a square (N, N) matrix, found shape {matrix.shape}")
    if matrix.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(np.float64)
    low, high = float(matrix.min()), float(matrix.max())
    if not (
        low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE
    ):  # NaN fails every comparison, so it ends here too
        raise ValueError(
            f"similarity: expected finite dice values in [0, 1], found values from {low} to {high}"
        )
    return matrix


def checked_positions(positions: Iterable[int], count: int, name: str) -> IntArray:
    """Return positions as int64; ValueError unless they are whole numbers, unique and in 0 .. count - 1."""
    found = np.asarray(sorted(positions))
    if found.size and found.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected whole numbers, found {found.dtype}")
    found = found.astype(np.int64)
    if len(np.unique(found)) < len(found):
        raise ValueError(f"{name}: expected each position once, found duplicates")
    if found.size and not (found[0] >= 0 and found[-1] < count):
        raise ValueError(f"{name}: expected positions from 0 to {count - 1}, found {found[0]} to {found[-1]}")
    return found


def canonical_order(ids: Sequence[str] | None, count: int) -> IntArray:
    """Return the (N,) positions sorted by id; without ids, the positions as they are."""
    if ids is None:
        return np.arange(count, dtype=np.int64)
    if len(ids) != count:
        raise ValueError(f"ids: expected one for each of {count} images, found {len(ids)}")
    twice = [name for name, times in Counter(ids).items() if times > 1]
    if twice:
        raise PoolError(
            f"ids: {len(twice)} are given to more than one image, such as {twice[0]!r}: give each image its"
            " own id"
        )
    return np.array(sorted(range(count), key=lambda position: ids[position]), dtype=np.int64)


def expected_dice(similarity: ArrayLike, chosen: Iterable[int]) -> NDArray[np.float64]:
    """Return p(x_j), the expected dice of every image after training on the chosen ones (Eq. 3, divided by
    their number |Z|).

    similarity: (N, N) float; chosen: positions.
    Returns (N,) float64, zeros where nothing is chosen (no network yet).
    """
    matrix = np.asarray(similarity)
    members = checked_positions(chosen, len(matrix), "chosen")
    if not len(members):
        return np.zeros(matrix.shape[1])
    mean: NDArray[np.float64] = matrix[members].mean(axis=0, dtype=np.float64)
    return mean
