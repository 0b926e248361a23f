"""Core-set selection:
always the image that is farthest, in f_L's features, from all that is labelled or chosen already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from model.reason import Kind, Reason
from model.similarity.round import Round
from model.strategies.base import Ranking, Strategy, as_ranking
from model.strategies.features import cosine_similarity, pool_features


@dataclass(frozen=True)
class FarthestFirst(Strategy):
    """The greedy k-centre algorithm of Sener & Savarese (2018), on the features that the ensemble method
    uses."""

    name: ClassVar[str] = "farthest_first"
    asks_for: ClassVar[str] = "the images that look least like those labelled"

    def rank(self, round_: Round, budget: int) -> Ranking:
        """The unlabelled images, each the farthest from those before it and from L, in cosine distance."""
        round_.check_budget(budget)
        features = pool_features(round_)
        distance = 1.0 - cosine_similarity(features)
        position = {identity: index for index, identity in enumerate(round_.ids)}
        order, radii = farthest_first(distance, [position[identity] for identity in round_.labelled])
        reasons = [Reason(Kind.FAR, value=radius) for radius in radii]
        return as_ranking([round_.ids[index] for index in order], budget, reasons)


def farthest_first(distance: npt.NDArray[np.float64], centres: list[int]) -> tuple[list[int], list[float]]:
    """All positions of a distance matrix (N, N) that are not centres, each the farthest from those before it;
    ties by position.

    Returns the order and, for each, its distance to the nearest earlier one.
    """
    nearest = distance[:, centres].min(axis=1)
    remaining = np.ones(len(distance), dtype=bool)
    remaining[centres] = False
    order: list[int] = []
    radii: list[float] = []
    while remaining.any():
        chosen = int(np.where(remaining, nearest, -np.inf).argmax())
        order.append(chosen)
        radii.append(float(nearest[chosen]))
        remaining[chosen] = False
        nearest = np.minimum(nearest, distance[:, chosen])
    return order, radii
