"""Typical and varied images by their looks, in view of what is labelled: MaxHerding and UHerding."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from model.errors import ModelError
from model.options import option
from model.reason import Kind, Measure, Reason
from model.selection.greedy_cover import BLOCK, cover_greedily
from model.similarity.appearance import (
    Appearance,
    Vectors,
    kernel_of,
    normalise,
    read_appearance,
    squared_distances,
    standardise,
)
from model.strategies.base import Ranking, Strategy, as_ranking, left_out

if TYPE_CHECKING:
    from model.similarity.round import Round

log = logging.getLogger(__name__)

NONE, REVERSE_ACCURACY = "none", "reverse_accuracy"
WIDEST = 1.0
"""Width of the kernel of vectors of length 1, whose distances are up to 2."""
SAME = 0.2
"""Labelled images of a smaller distance count as one, such as two frames of a film: a kernel of that width
would tell all images apart. In five real sets no two images are nearer than 0.45; the median is about 1.5."""


@dataclass(frozen=True)
class Herding(Strategy):
    """Greedy maximisation of sum over x of u(x) max over labelled or chosen z of k(x, z).

    MaxHerding (Bae et al., ECCV 2024), and with a weight u UHerding (Bae et al., ICLR 2025). k is an RBF
    kernel on vectors of length 1 that no training has changed: the mean and deviation of the features of an
    image's pixels. As there, its width follows the labels. Their u is the margin of a classifier; here it is
    1 - reverse classification accuracy: how little the mask of x can be trusted.
    """

    name: ClassVar[str] = "herding"
    asks_for: ClassVar[str] = "images that look like many others, and like none that is labelled"
    needs_labels: ClassVar[bool] = False
    uncertainty: str = option(
        NONE,
        "How much an image counts among those that a label stands for: `none`, all the same; or"
        " `reverse_accuracy`, more where the model's mask seems wrong, as a network that learns from it fails"
        " on the labelled images.",
        choices=(NONE, REVERSE_ACCURACY),
    )

    @property
    def by_pixels(self) -> bool:
        """Always."""
        return True

    def rank(self, round_: Round, budget: int) -> Ranking:
        """The unlabelled images, each the one that raises the sum most; those that cannot be read last."""
        round_.check_budget(budget)
        seen = read_appearance(round_)
        labelled = seen.positions_of(round_.labelled)
        vectors = normalise(standardise(seen.vectors))
        trust = self.trust(round_, seen)
        nearness = kernel_of(vectors, adapt_width(vectors, labelled))
        covering = cover_greedily(nearness, len(vectors), labelled, weights=1 - trust)
        reasons = [
            Reason(Kind.LOOKS, represents=represents, value=float(trust[place]) if trust.any() else None)
            for place, represents in zip(covering.order, covering.represents, strict=True)
        ]
        last, why = left_out(round_, seen.ids)
        order = [seen.ids[place] for place in covering.order]
        return self.foresee(round_, seen, as_ranking(order + last, budget, [*reasons, *why]))

    def foresee(self, round_: Round, seen: Appearance, ranking: Ranking) -> Ranking:
        """The ranking with the dice that is expected of all images on average, before any of its labels and
        after each of the first. It decides nothing: without a classifier there is none."""
        from model.similarity.teaching import expect

        try:
            found = expect(round_, seen, ranking.order) if round_.pixels.labelled else None
        except ModelError as error:
            log.warning("no forecast: %s", error)
            found = None
        if found is None:
            return ranking
        queries = (
            replace(query, expected_dice=expected)
            for query, expected in zip_longest(ranking.queries, found.after)
        )
        notes = {**ranking.notes, Measure.MEAN.note: found.before}
        return replace(ranking, queries=tuple(queries), notes=notes, expected=found.now)

    def trust(self, round_: Round, seen: Appearance) -> npt.NDArray[np.float32]:
        """In the masks of all images seen, float32 (n,); 0 where nothing is known of any."""
        if self.uncertainty == NONE or not round_.pixels.labelled:
            return np.zeros(len(seen.ids), dtype=np.float32)
        from model.similarity.reverse_accuracy import measure_trust, spread_trust

        return spread_trust(seen, measure_trust(round_))


def adapt_width(vectors: Vectors, labelled: Sequence[int]) -> float:
    """The smallest distance between two labelled images, so that the kernel narrows as labels come; at most
    WIDEST, which it is with less than two labelled images that differ."""
    known = vectors[list(labelled)]
    nearest = np.inf
    for first in range(0, len(known), BLOCK):
        squares = squared_distances(known[first : first + BLOCK], known)
        nearest = min(nearest, float(squares[squares > SAME**2].min(initial=np.inf)))
    return min(float(np.sqrt(nearest)), WIDEST)
