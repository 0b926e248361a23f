"""The similarity matrix as the page shows it:
images alike stand together, and of many images groups are shown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

MOST_CELLS = 100
"""Rows of the map at most: a cell stays large enough to be seen and pointed at.
More images are shown in groups of equal size."""

Matrix = npt.NDArray[np.float32]


class SimilarityMap(TypedDict):
    """What the page draws, JSON-ready."""

    count: int  # N
    groups: list[list[str]]  # ids of one row and column each
    trained: list[str]  # ids whose rows are measured
    labelled: list[str]
    values: list[list[int]]  # hundredths
    low: NotRequired[list[list[int]]]  # of groups of several images: the smallest figure in each cell
    high: NotRequired[list[list[int]]]


def similarity_map(
    ids: Sequence[str], similarity: Matrix, trained: Collection[str], labelled: Collection[str]
) -> SimilarityMap:
    """The map of d(x_i, x_j), (N, N) with rows and columns in the order of `ids`.

    A group's figure is the mean over its pairs of different images;
    of an image with itself it is 1 by definition.
    """
    count = len(ids)
    order = alike_together(similarity)
    arranged = similarity[np.ix_(order, order)]
    bounds = np.linspace(0, count, min(count, MOST_CELLS) + 1).round().astype(int)
    groups = [[ids[index] for index in order[start:end]] for start, end in pairwise(bounds)]
    content: SimilarityMap = {
        "count": count,
        "groups": groups,
        "trained": sorted(set(trained) & set(ids), key=_by_number),
        "labelled": sorted(set(labelled) & set(ids), key=_by_number),
        "values": [],
    }
    if count <= MOST_CELLS:
        return {**content, "values": _hundredths(arranged)}
    mean, low, high = _reduced(arranged, bounds)
    return {**content, "values": _hundredths(mean), "low": _hundredths(low), "high": _hundredths(high)}


def alike_together(similarity: Matrix) -> npt.NDArray[np.intp]:
    """An order of the positions in which images that predict each other well are neighbours (average
    linkage)."""
    count = len(similarity)
    if count < 3:
        return np.arange(count)
    distance = 1.0 - (similarity + similarity.T) / 2
    np.fill_diagonal(distance, 0.0)
    tree = linkage(
        squareform(np.maximum(distance, 0.0), checks=False), "average", optimal_ordering=count <= MOST_CELLS
    )
    return np.asarray(leaves_list(tree), dtype=np.intp)


def _reduced(matrix: Matrix, bounds: npt.NDArray[np.int_]) -> tuple[Matrix, Matrix, Matrix]:
    """Mean, smallest and largest of each block, the diagonal of the matrix left out."""
    size = len(bounds) - 1
    mean, low, high = (np.ones((size, size), dtype=np.float32) for _ in range(3))
    for row in range(size):
        for column in range(size):
            block = matrix[bounds[row] : bounds[row + 1], bounds[column] : bounds[column + 1]]
            values = block[~np.eye(len(block), dtype=bool)] if row == column else block.ravel()
            if values.size:
                mean[row, column], low[row, column], high[row, column] = (
                    values.mean(),
                    values.min(),
                    values.max(),
                )
    return mean, low, high


def _hundredths(matrix: Matrix) -> list[list[int]]:
    rows: list[list[int]] = (np.clip(matrix, 0, 1) * 100).round().astype(int).tolist()
    return rows


def _by_number(identity: str) -> tuple[int, str]:
    return len(identity), identity
