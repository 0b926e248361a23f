"""Typical and varied images first, from their looks alone: the order before there are labels enough for a
network.

The paper starts with images at random.
With a handful of images a random draw often shows one appearance twice and misses another; the images least
like all others would be blurred or odd ones. So each image here is the one that resembles most of what no
earlier one resembles: MaxHerding on what pixels look like (Bae et al.: Generalized Coverage for More Robust
Low-Budget Active Learning, ECCV 2024).
It needs no model and no labels, and is the same for the same images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from model.reason import Kind, Reason
from model.selection.greedy_cover import cover_greedily
from model.similarity.appearance import Vectors, kernel_of, median_distance, read_appearance, standardise
from model.strategies.base import Ranking, Strategy, as_ranking, left_out

if TYPE_CHECKING:
    from model.similarity.round import Round


@dataclass(frozen=True)
class Looks(Strategy):
    """MaxHerding on the mean and deviation of the features of an image's pixels."""

    name: ClassVar[str] = "looks"
    asks_for: ClassVar[str] = "typical and varied images, by their looks alone: needs no label"
    needs_labels: ClassVar[bool] = False

    def rank(self, round_: Round, budget: int) -> Ranking:
        """The unlabelled images, each the one that resembles most of what L and those before it do not.
        Those that cannot be read come last; `round_.failed` says why."""
        round_.check_budget(budget)
        seen = read_appearance(round_)
        places = sorted(range(len(seen.ids)), key=lambda i: (len(seen.ids[i]), seen.ids[i]))
        ids = [seen.ids[place] for place in places]  # task 9 before task 10
        labelled = [place for place, identity in enumerate(ids) if identity in round_.labels]
        order = [ids[place] for place in herd(standardise(seen.vectors[places]), labelled)]
        reasons = [Reason(Kind.LOOKS)] * len(order)
        last, why = left_out(round_, seen.ids)
        return as_ranking(order + last, budget, [*reasons, *why])


def herd(vectors: Vectors, labelled: Sequence[int]) -> list[int]:
    """All positions of (N, F) vectors that are not `labelled`, in the order of greedy maximisation of

    sum over all images x of max over chosen or labelled images z of exp(-|x - z|^2 / h^2).

    h is the median distance. Ties by position.
    """
    return cover_greedily(kernel_of(vectors, median_distance(vectors)), len(vectors), labelled).order
