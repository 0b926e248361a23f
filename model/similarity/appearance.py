"""What images look like, whatever a network has learnt: the mean and deviation of their pixels' features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from model.similarity.round import Round

Vectors = npt.NDArray[np.float32]
Float = TypeVar("Float", np.float32, np.float64)
SAMPLE = 1000
"""Images whose distances set the width of a kernel."""


@dataclass(frozen=True)
class Appearance:
    """The images of a round whose features can be computed; `Round.failed` says why of the others.

    ids: in the order of ids. vectors: float32 (n, 2 * channels), mean and deviation of each image's features.
    """

    ids: tuple[str, ...]
    vectors: Vectors

    def positions_of(self, ids: Sequence[str]) -> list[int]:
        """Where these images are, less those that are not there."""
        place = {identity: position for position, identity in enumerate(self.ids)}
        return [place[identity] for identity in ids if identity in place]


def read_appearance(round_: Round, ids: Sequence[str] | None = None) -> Appearance:
    """What every image of the round, or of some, looks like that can be read."""
    found = dict(round_.pixels.vectors(ids))
    values = 2 * round_.features.extractor.channels
    return Appearance(tuple(found), np.array(list(found.values()), dtype=np.float32).reshape(-1, values))


def standardise(vectors: npt.ArrayLike) -> Vectors:
    """Each value of (N, F) vectors to mean 0 and deviation 1 over the images, those that do not vary to 0."""
    wide = np.array(vectors, dtype=np.float64)
    if not wide.size:
        return np.zeros((len(wide), 0), dtype=np.float32)
    spread = wide.std(axis=0)
    scaled: Vectors = ((wide - wide.mean(axis=0)) / np.where(spread > 1e-6, spread, np.inf)).astype(
        np.float32
    )
    return scaled


def normalise(vectors: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """Each of (N, F) vectors to length 1, those of length 0 stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: npt.NDArray[Float] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit


def kernel_of(vectors: Vectors, width: float) -> Callable[[npt.NDArray[np.intp]], Vectors]:
    """exp(-|x - z|^2 / width^2) of (N, F) vectors: from (M,) positions to float32 (M, N), on demand."""
    scaled = vectors / np.float32(width)

    def nearness(places: npt.NDArray[np.intp]) -> Vectors:
        near: Vectors = np.exp(-squared_distances(scaled[places], scaled))
        return near

    return nearness


def squared_distances(some: npt.NDArray[Float], others: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """Of (M, F) to (N, F) vectors: (M, N) of their type."""
    lengths = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)
    squares: npt.NDArray[Float] = np.maximum(lengths - 2 * some @ others.T, 0)
    return squares


def median_distance(vectors: Vectors) -> float:
    """Between every two of at most SAMPLE vectors chosen at random, always the same; 1 where it is 0."""
    sampled = vectors[np.random.default_rng(0).permutation(len(vectors))[:SAMPLE]]
    pairs = squared_distances(sampled, sampled)[np.triu_indices(len(sampled), 1)]
    return float(np.sqrt(np.median(pairs))) or 1.0 if len(pairs) else 1.0
