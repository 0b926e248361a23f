"""Beyond the paper: the task-dependent method with a guard against pseudo-labels that cannot be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from model.network.dice import dice
from model.similarity.bagging import NAMES, bag_folder, bag_units, load_bags, train_bag
from model.similarity.learner import PIXEL, Learner
from model.strategies.task_dependent import TaskDependent

if TYPE_CHECKING:
    from model.similarity.pixel_similarity import PixelSimilarity
    from model.similarity.round import Round


@dataclass(frozen=True)
class Trusted(TaskDependent):
    """Where f_L has never seen the like, its pseudo-labels are wrong and still agree with each other, so that
    d looks high there.

    Networks on parts of L show where f_L is guessing:
    trust t_j is the mean dice between their masks of x_j and y_j, and 1 for the images of L. What is well
    known cannot teach what is not: d(x_i, x_j) is multiplied by 1 - max(0, t_i - t_j).
    So an image of low trust counts as badly predicted until one of equally low trust that resembles it is
    labelled.
    """

    name: ClassVar[str] = "trusted"
    asks_for: ClassVar[str] = (
        "the paper's method with another guard, against images where the first model only guesses"
    )

    def units(self, round_: Round) -> tuple[str, ...]:
        """The networks on parts of L, and one for each image of K; none for pixel classifiers."""
        return () if self.similarity == PIXEL else (*bag_units(round_), *super().units(round_))

    def run_unit(self, round_: Round, unit: str) -> None:
        """Train one of them, unless that is done."""
        if unit in NAMES:
            train_bag(round_, unit)
        else:
            super().run_unit(round_, unit)

    def artifact(self, unit: str) -> str:
        """The folder of a network on a part of L, or the file of a row."""
        return bag_folder(unit) if unit in NAMES else super().artifact(unit)

    def complete_rows(self, round_: Round) -> npt.NDArray[np.float32]:
        """d between all images as far as it can be trusted, in the order of ids, float32 (N, N)."""
        return discount(super().complete_rows(round_), trust(round_.learner, round_.ids))

    def weigh_pixels(self, round_: Round, found: PixelSimilarity) -> npt.NDArray[np.float32]:
        """d as far as it can be trusted, by pixel classifiers on parts of L."""
        from model.similarity.pixel_learner import PixelLearner

        return discount(found.matrix, trust(PixelLearner(round_), found.ids))


def trust(learner: Learner[Any], ids: Sequence[str]) -> npt.NDArray[np.float64]:
    """t of some images, in their order: float64 (n,) in [0, 1]."""
    round_ = learner.round_
    found = {identity: float(identity in round_.labels) for identity in ids}
    asked = [identity for identity in ids if identity not in round_.labels]
    for identity, outputs in learner.outputs("Trust", [*load_bags(learner), learner.model], asked):
        *of_bags, own = outputs.argmax(axis=1).astype(np.uint8)
        found[identity] = float(np.mean([dice(mask, own, round_.classes) for mask in of_bags]))
    return np.array([found[identity] for identity in ids])


def discount(similarity: npt.NDArray[np.float32], trust: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """d(x_i, x_j) (1 - max(0, t_i - t_j)) of a similarity (N, N) and a trust (N,); the diagonal stays 1."""
    result = np.empty_like(similarity)
    for i, own in enumerate(trust):  # row by row, because (N, N) differences of 10,000 images would take 2 GB
        result[i] = similarity[i] * (1.0 - np.maximum(0.0, own - trust).astype(np.float32))
    return result
