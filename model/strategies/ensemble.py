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
from model.similarity.appearance import kernel_of, normalise, standardise
from model.similarity.bagging import bag_folder, bag_units, load_bags, train_bag
from model.similarity.likeness import cosine_similarity
from model.strategies.base import Ranking, Strategy, as_ranking, left_out, nothing_found

if TYPE_CHECKING:
    from model.similarity.round import Round

MOST_SUBSETS = 2_000_000  # subsets searched exhaustively (seconds); above it the original's greedy search
COSINE, RBF = "cosine", "rbf"
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
    # Beyond the paper are the next two.
    labelled_represent: bool = option(
        False, "Whether labelled images represent others already, so that the batch adds to them."
    )
    kernel: str = option(
        COSINE,
        "How alike the feature vectors of two images are: `cosine`, which is near 1 for all; or `rbf`, which"
        " falls with the distance, each feature scaled over the pool.",
        choices=(COSINE, RBF),
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
        networks = [*bags, round_.model]
        outputs = round_.learner.outputs("Disagreement", networks, round_.unlabelled)
        disagreement = {identity: mean_kl_divergence(found) for identity, found in outputs}
        unlabelled, uncertainty = list(disagreement), np.array(list(disagreement.values()))
        by_uncertainty = [int(index) for index in np.lexsort((np.arange(len(unlabelled)), -uncertainty))]
        candidates = by_uncertainty[: max(budget, math.ceil(len(unlabelled) / 2))]
        every = self.compare(round_.learner.features())
        in_pool = np.isin(round_.ids, unlabelled)
        similarity = every[np.ix_(in_pool, in_pool)]
        covered = np.full(len(unlabelled), -1.0)  # by what represents each already
        if self.labelled_represent:
            known = np.isin(round_.ids, round_.learner.labelled)
            covered = every[np.ix_(known, in_pool)].max(axis=0)
        few = min(budget, len(unlabelled))
        if not few:
            raise nothing_found(round_)
        batch, exhaustive = self._represent(similarity, sorted(candidates), few, covered)
        # the same images, in the order of what each adds
        batch = greedy_subset(similarity, batch, few, covered)
        others = greedy_subset(
            similarity,
            [c for c in sorted(candidates) if c not in batch],
            len(candidates),
            np.maximum(covered, similarity[batch].max(axis=0, initial=-1.0)),
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
        last, why = left_out(round_, disagreement)
        return as_ranking([unlabelled[index] for index in order] + last, budget, [*reasons, *why], notes)

    def compare(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """How alike all images are by their feature vectors, (N, channels): float64 (N, N)."""
        if self.kernel == COSINE:
            return cosine_similarity(features)
        nearness = kernel_of(normalise(standardise(features)), 1.0)
        return nearness(np.arange(len(features))).astype(np.float64)

    def _represent(
        self,
        similarity: npt.NDArray[np.float64],
        candidates: list[int],
        budget: int,
        covered: npt.NDArray[np.float64],
    ) -> tuple[list[int], bool]:
        feasible = math.comb(len(candidates), budget) <= MOST_SUBSETS
        if self.search == "exhaustive" or (self.search == "auto" and feasible):
            return exhaustive_subset(similarity, candidates, budget, covered), True
        return greedy_subset(similarity, candidates, budget, covered), False


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
    return float(similarity[list(subset)].max(axis=0, initial=-1.0).sum())


def exhaustive_subset(
    similarity: npt.NDArray[np.float64],
    candidates: Sequence[int],
    budget: int,
    covered: npt.NDArray[np.float64] | None = None,
) -> list[int]:
    """The `budget` candidates that represent all images best, by trying every subset; the first of equals.
    `covered` says how well each image is represented without them, float64 (N,)."""
    covered = np.full(len(similarity), -1.0) if covered is None else covered
    best_value, best = -np.inf, tuple(candidates[:budget])
    for chunk in _chunks(combinations(candidates, budget)):
        values = np.maximum(similarity[np.array(chunk)].max(axis=1), covered).sum(axis=1)
        top = int(values.argmax())
        if values[top] > best_value:
            best_value, best = float(values[top]), chunk[top]
    return list(best)


def _chunks(subsets: Iterator[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    while chunk := list(islice(subsets, CHUNK)):
        yield chunk


def greedy_subset(
    similarity: npt.NDArray[np.float64],
    candidates: Sequence[int],
    budget: int,
    covered: npt.NDArray[np.float64] | None = None,
) -> list[int]:
    """Up to `budget` candidates, each the one that adds most to the representation given those before it and
    what is `covered` already."""
    covered = np.full(len(similarity), -1.0) if covered is None else covered
    remaining = list(candidates)
    order: list[int] = []
    while remaining and len(order) < budget:
        gains = np.maximum(similarity[remaining], covered).sum(axis=1)
        order.append(remaining.pop(int(gains.argmax())))
        covered = np.maximum(covered, similarity[order[-1]])
    return order
