"""The paper's rival:
suggestive annotation with an ensemble (Yang et al. 2017, as set up in Grüning et al. 2020, section III)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from model.options import option
from model.reason import Kind, Reason
from model.strategies.bagging import bag_folder, bag_units, load_bags, train_bag
from model.strategies.base import Ranking, Strategy, as_ranking
from model.strategies.features import cosine_similarity

if TYPE_CHECKING:
    from model.similarity.round import Round

MOST_SUBSETS = 2_000_000  # subsets searched exhaustively (seconds); above it the original's greedy search
SEARCHES = ("auto", "exhaustive", "greedy")
CHUNK = 2048  # subsets scored together


@dataclass(frozen=True)
class Ensemble(Strategy):
    """Four networks; the half of U on which they disagree most are candidates;
    of these the subset that represents U best."""

    name: ClassVar[str] = "ensemble"
    asks_for: ClassVar[str] = "uncertain images that represent the others: the paper's rival"
    search: str = option(
        "auto",
        "How the batch is searched: `exhaustive`, `greedy`, or exhaustive where that takes seconds.",
        choices=SEARCHES,
    )

    def units(self, round_: Round) -> tuple[str, ...]:
        """The three networks on a part of L each."""
        return bag_units(round_)

    def run_unit(self, round_: Round, unit: str) -> None:
        """Train one network on its part of L, unless that is done."""
        train_bag(round_, unit)

    def artifact(self, unit: str) -> str:
        """The folder of a network."""
        return bag_folder(unit)

    def rank(self, round_: Round, budget: int) -> Ranking:
        """The batch, then the other candidates as they represent U, then the rest by uncertainty."""
        round_.check_budget(budget)
        self.run_units(round_)
        bags = load_bags(round_.learner)
        unlabelled = round_.unlabelled
        places = {identity: place for place, identity in enumerate(unlabelled)}
        uncertainty = np.zeros(len(unlabelled))  # also of an image that is left out: it comes last
        networks = [*bags, round_.model]
        for identity, outputs in round_.learner.outputs("Disagreement", networks, unlabelled):
            uncertainty[places[identity]] = mean_kl_divergence(outputs)
        by_uncertainty = [int(index) for index in np.lexsort((np.arange(len(unlabelled)), -uncertainty))]
        candidates = by_uncertainty[: max(budget, math.ceil(len(unlabelled) / 2))]
        in_pool = np.isin(round_.ids, unlabelled)
        similarity = cosine_similarity(round_.learner.features()[in_pool])
        batch, exhaustive = self._represent(similarity, sorted(candidates), budget)
        batch = greedy_subset(similarity, batch, budget)  # the same images, in the order of what each adds
        others = greedy_subset(
            similarity, [c for c in sorted(candidates) if c not in batch], len(candidates), chosen=batch
        )
        order = [*batch, *others, *(index for index in by_uncertainty if index not in candidates)]
        reasons = [
            Reason(
                Kind.REPRESENTATIVE if place < len(batch) else Kind.DISPUTED,
                value=float(uncertainty[index]),
                networks=len(bags) + 1,
            )
            for place, index in enumerate(order)
        ]
        notes = {"represented": representation(similarity, batch), "exhaustive": float(exhaustive)}
        return as_ranking([unlabelled[index] for index in order], budget, reasons, notes)

    def _represent(
        self, similarity: npt.NDArray[np.float64], candidates: list[int], budget: int
    ) -> tuple[list[int], bool]:
        feasible = math.comb(len(candidates), budget) <= MOST_SUBSETS
        if self.search == "exhaustive" or (self.search == "auto" and feasible):
            return exhaustive_subset(similarity, candidates, budget), True
        return greedy_subset(similarity, candidates, budget), False


def mean_kl_divergence(outputs: npt.NDArray[np.float32]) -> float:
    """KL divergence, in nats, of each network's output from the mean output; mean over networks and pixels.

    `outputs` are probabilities, float32 (networks, classes, H, W).
    """
    safe = np.clip(outputs, 1e-7, 1.0)
    mean = safe.mean(axis=0, keepdims=True)
    return float((safe * (np.log(safe) - np.log(mean))).sum(axis=1).mean())


def representation(similarity: npt.NDArray[np.float64], subset: Sequence[int]) -> float:
    """F(S) = sum over all images of the similarity to their most similar member of S (Yang et al. 2017, Eq.
    2)."""
    return float(similarity[list(subset)].max(axis=0).sum())


def exhaustive_subset(
    similarity: npt.NDArray[np.float64], candidates: Sequence[int], budget: int
) -> list[int]:
    """The `budget` candidates that represent all images best, by trying every subset; the first of equals."""
    best_value, best = -np.inf, tuple(candidates[:budget])
    for chunk in _chunks(combinations(candidates, budget)):
        values = similarity[np.array(chunk)].max(axis=1).sum(axis=1)
        top = int(values.argmax())
        if values[top] > best_value:
            best_value, best = float(values[top]), chunk[top]
    return list(best)


def _chunks(subsets: Iterator[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    while chunk := list(islice(subsets, CHUNK)):
        yield chunk


def greedy_subset(
    similarity: npt.NDArray[np.float64], candidates: Sequence[int], budget: int, chosen: Sequence[int] = ()
) -> list[int]:
    """Up to `budget` candidates, each the one that adds most to the representation given those before it and
    `chosen`."""
    covered = similarity[list(chosen)].max(axis=0) if chosen else np.full(len(similarity), -1.0)
    remaining = list(candidates)
    order: list[int] = []
    while remaining and len(order) < budget:
        gains = np.maximum(similarity[remaining], covered).sum(axis=1)
        order.append(remaining.pop(int(gains.argmax())))
        covered = np.maximum(covered, similarity[order[-1]])
    return order
