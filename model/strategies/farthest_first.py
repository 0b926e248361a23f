"""Core-set selection:
always the image that is farthest, in f_L's features, from all that is labelled or chosen already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from model.reason import Kind, Reason
from model.similarity.likeness import cosine_similarity
from model.strategies.base import Ranking, Strategy, as_ranking, left_out

if TYPE_CHECKING:
    from model.similarity.round import Round


@dataclass(frozen=True)
class FarthestFirst(Strategy):
    """The greedy k-centre algorithm of Sener & Savarese (2018), on the features that the ensemble method
    uses."""

    name: ClassVar[str] = "farthest_first"
    asks_for: ClassVar[str] = "the images that look least like those labelled"

    def rank(self, round_: Round, budget: int) -> Ranking:
        """The unlabelled images, each the farthest from those before it and from L, in cosine distance."""
        round_.check_budget(budget)
        features = round_.learner.features()
        seen = [place for place, identity in enumerate(round_.ids) if identity not in round_.failed]
        ids = [round_.ids[place] for place in seen]
        distance = 1.0 - cosine_similarity(features[seen])
        centres = [place for place, identity in enumerate(ids) if identity in round_.labels]
        order, radii = farthest_first(lambda i: distance[:, i], centres, first=0, count=len(distance))
        reasons = [Reason(Kind.FAR, value=radius) for radius in radii]
        last, why = left_out(round_, ids)  # its features, zeros, would be the farthest of all
        return as_ranking([ids[index] for index in order] + last, budget, [*reasons, *why])


def farthest_first(
    distances: Callable[[int], npt.NDArray[np.float64]], centres: Sequence[int], *, first: int, count: int
) -> tuple[list[int], list[float]]:
    """All of `count` positions that are not centres, each the farthest from those before it and the centres;
    ties by position.

    distances(i): of all positions from position i, float64 (count,). first: the position to begin with where
    there is no centre. Returns the order and, for each, its distance to the nearest earlier one, infinite for
    that first one.
    """
    nearest = np.full(count, np.inf)
    for centre in centres:
        nearest = np.minimum(nearest, distances(centre))
    remaining = np.ones(count, dtype=bool)
    remaining[list(centres)] = False
    order: list[int] = []
    radii: list[float] = []
    while remaining.any():
        begun = bool(centres or order)
        chosen = int(np.where(remaining, nearest, -np.inf).argmax()) if begun else first
        order.append(chosen)
        radii.append(float(nearest[chosen]))
        remaining[chosen] = False
        nearest = np.minimum(nearest, distances(chosen))
    return order, radii
