"""Beyond the paper:
the task-dependent method that believes a similarity only among images that look alike to the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from model.strategies.task_dependent import TaskDependent

if TYPE_CHECKING:
    from model.similarity.pixel_similarity import PixelSimilarity
    from model.similarity.round import Round

SAMPLE = 1000
"""Images whose distances set the scale."""


@dataclass(frozen=True)
class Alike(TaskDependent):
    """Where f_L has never seen the like, its pseudo-labels are wrong and still agree with each other, so that
    d looks high there.

    What f_L makes of two images tells how far d can be believed:
    d(x_i, x_j) is multiplied by exp(-D / median D), where D is the squared distance of their feature vectors
    (those of section III), each feature scaled to unit variance over the pool.
    So an image counts as well predicted only once one is labelled that looks like it.
    No further network is trained.
    """

    name: ClassVar[str] = "alike"
    asks_for: ClassVar[str] = (
        "the same, but one image is believed to teach another only where they look alike: try it, and"
        " `ensemble`, where images differ much"
    )

    def complete_rows(self, round_: Round) -> npt.NDArray[np.float32]:
        """d between all images as far as they look alike, in the order of ids, float32 (N, N)."""
        similarity = super().complete_rows(round_)
        similarity *= likeness(round_.learner.features())
        return similarity

    def weigh_pixels(self, round_: Round, found: PixelSimilarity) -> npt.NDArray[np.float32]:
        """d as far as two images look alike: here by the mean and deviation of their pixels' features."""
        del round_
        found.matrix[:] *= likeness(found.vectors)
        return found.matrix


def likeness(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """exp(-D / median D) of feature vectors (N, channels): float32 (N, N), in [0, 1], 1 on the diagonal.

    D is the squared Euclidean distance after scaling each feature to unit variance;
    features that do not vary count for nothing.
    The median is over all pairs, an image with itself included, of at most SAMPLE images chosen at random,
    always the same.
    """
    wide = features.astype(np.float64)
    deviation = wide.std(axis=0)
    scaled = (wide - wide.mean(axis=0))[:, deviation > 0] / deviation[deviation > 0]
    sample = scaled[np.random.default_rng(0).permutation(len(scaled))[:SAMPLE]]
    median = float(np.median(np.stack([_distances(one, sample) for one in sample]))) or 1.0
    result = np.empty((len(scaled), len(scaled)), np.float32)
    for i, own in enumerate(
        scaled
    ):  # row by row, because (N, N) distances of 10,000 images would take 800 MB
        result[i] = np.exp(-_distances(own, scaled) / median)
    return result


def _distances(one: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Squared distances of a vector (channels,) to (M, channels) others: float64 (M,)."""
    return ((others - one) ** 2).sum(axis=1)
