"""How far one image can stand for another: both directions of d, and what the two look like."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from model.similarity.appearance import normalise, squared_distances, standardise

SAMPLE = 1000
"""Images whose distances set the scale."""
BLOCK = 512  # rows and columns worked on at once; bounds the memory beside the matrix

Matrix = npt.NDArray[np.float32]


def make_mutual(similarity: Matrix) -> None:
    """Replace d(x_i, x_j), float32 (N, N), by min(d(x_i, x_j), d(x_j, x_i)), in place.

    A wrong pseudo-label agrees with the network that made it, and so with the images that taught that
    network: d in one direction is high. A network trained on the wrong mask predicts them badly: the other is
    low.
    """
    for first in range(0, len(similarity), BLOCK):
        rows = slice(first, first + BLOCK)
        for second in range(first, len(similarity), BLOCK):
            columns = slice(second, second + BLOCK)
            least = np.minimum(similarity[rows, columns], similarity[columns, rows].T)
            similarity[rows, columns] = least
            similarity[columns, rows] = least.T


def add_unknown(similarity: Matrix, known: npt.NDArray[np.bool_]) -> Matrix:
    """d of N images, float32 (N, N), of which that of the `known` ones, (N,), is given: 1 for other pairs."""
    result = np.ones((len(known), len(known)), np.float32)
    result[np.ix_(known, known)] = similarity
    return result


def likeness_of(vectors: npt.NDArray[np.float32]) -> Callable[[npt.NDArray[np.intp]], Matrix]:
    """exp(-D / median D) of (N, F) vectors of images: from (M,) positions to float32 (M, N), on demand.

    D is the squared Euclidean distance after scaling each feature to unit variance;
    features that do not vary, but for rounding, count for nothing.
    The median is over all pairs, an image with itself included, of at most SAMPLE images chosen at random,
    always the same.
    """
    scaled = standardise(vectors).astype(np.float64)
    sample = scaled[np.random.default_rng(0).permutation(len(scaled))[:SAMPLE]]
    squares = squared_distances(sample, sample)
    median = float(np.median(squares)) or 1.0

    def likeness(places: npt.NDArray[np.intp]) -> Matrix:
        alike: Matrix = np.exp(-squared_distances(scaled[places], scaled) / median).astype(np.float32)
        return alike

    return likeness


def weigh_by_likeness(
    similarity: Matrix, vectors: npt.NDArray[np.float32], known: npt.NDArray[np.bool_] | None = None
) -> None:
    """Multiply d(x_i, x_j), float32 (N, N), by `likeness_of` (N, F) vectors of the images, in place.

    The d of an image that is not `known`, (N,), is 1 before, see `add_unknown`. What images that look alike
    teach each other on average takes its place: the mean d of known pairs, weighted by likeness.
    """
    if not len(vectors):
        return
    alike_of, count = likeness_of(vectors), len(vectors)
    known = np.ones(count, dtype=bool) if known is None else known
    likeness = taught = 0.0
    for first in range(0, count, BLOCK):
        rows = slice(first, first + BLOCK)
        alike = alike_of(np.arange(first, min(first + BLOCK, count)))
        similarity[rows] *= alike
        if not known.all():  # an image with itself is 1, which tells nothing
            own = known[rows]
            likeness += float(alike[own][:, known].sum(dtype=np.float64)) - own.sum()
            taught += float(similarity[rows][own][:, known].sum(dtype=np.float64)) - own.sum()
    if not known.all():
        similarity[np.ix_(~known, known)] *= taught / likeness if likeness > 0 else 1.0
        similarity[:, ~known] *= taught / likeness if likeness > 0 else 1.0
        np.fill_diagonal(similarity, 1.0)


def cosine_similarity(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Cosine of the angle between every two of (N, channels) vectors: float64 (N, N) in [-1, 1];
    a zero vector is similar to none."""
    unit = normalise(features.astype(np.float64))
    return np.clip(unit @ unit.T, -1.0, 1.0)
