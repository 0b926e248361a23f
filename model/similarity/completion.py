"""Completion of the similarity d from the rows that are known: the paper's (Eq. 4), and one for many rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

NEIGHBOURS = 5
"""Rows whose mean stands for one that is not known."""
BLOCK = 256  # rows of the matrix completed together; bounds the memory beside the result


def complete(known_rows: npt.ArrayLike, trained: Sequence[int]) -> npt.NDArray[np.float32]:
    """The full similarity, float32 (N, N), of which the rows (K, N) of the positions `trained` are known
    (step 5).

    d(x_i, x_i) = 1. A similarity that is known in one direction fills the other.
    The rest takes the best path through K (Eq. 4):
    d(x_i, x_j) = max over k of (d(x_i, x_k) + d(x_k, x_j)) / 2.
    Raises ValueError for rows that do not fit `trained`.
    """
    rows = np.asarray(known_rows, dtype=np.float32)
    k = np.asarray(trained, dtype=np.intp)
    if rows.ndim != 2 or len(rows) != len(k) or len(k) == 0:
        raise ValueError(
            f"rows of shape {rows.shape} for {len(k)} trained positions; expected (K, N) with K of at least 1"
        )
    count = rows.shape[1]
    if len(set(k.tolist())) != len(k) or k.min() < 0 or k.max() >= count:
        raise ValueError(f"trained positions must be distinct and within 0 .. {count - 1}")
    if not np.isfinite(rows).all():
        raise ValueError("rows hold values that are not finite")
    known = rows.copy()
    known[np.arange(len(k)), k] = 1.0
    matrix = np.empty((count, count), dtype=np.float32)
    for start in range(0, count, BLOCK):
        block = matrix[start : start + BLOCK]
        block[:] = -np.inf
        for row in known:  # d(x_i, x_k) is filled from d(x_k, x_i), the known direction
            np.maximum(block, 0.5 * (row[start : start + BLOCK, None] + row[None, :]), out=block)
    matrix[:, k] = known.T
    matrix[k, :] = known
    np.fill_diagonal(matrix, 1.0)
    return matrix


def complete_by_columns(
    known_rows: npt.NDArray[np.float32], trained: Sequence[int]
) -> npt.NDArray[np.float32]:
    """The full similarity, float32 (N, N), of which the rows (K, N) of the positions `trained` are known.

    Images that all networks predict equally well teach alike, too: the row of an image without a network is
    the mean of the rows of the NEIGHBOURS images of K whose columns are nearest to its own.
    With many rows that takes a product of matrices, where Eq. 4 takes K operations for each of N x N pairs.
    """
    k = np.asarray(trained, dtype=np.intp)
    count = known_rows.shape[1]
    matrix = np.empty((count, count), dtype=np.float32)
    columns = known_rows.T - known_rows.mean(axis=1)
    own = columns[k]
    lengths = (own**2).sum(axis=1)
    few = min(NEIGHBOURS, len(k))
    for start in range(0, count, BLOCK):
        part = columns[start : start + BLOCK]
        distances = lengths - 2 * part @ own.T  # less the same length for all
        nearest = np.argpartition(distances, few - 1, axis=1)[:, :few]
        block = matrix[start : start + BLOCK]
        block[:] = 0
        for place in range(few):
            block += known_rows[nearest[:, place]]
        block /= few
    matrix[k] = known_rows
    np.fill_diagonal(matrix, 1.0)
    return matrix
