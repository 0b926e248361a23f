"""A second baseline: images in random order, by how much of them the model marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from model.network.pseudo_labels import FEWEST_SAMPLED
from model.reason import Kind, Reason
from model.strategies.base import Ranking, Strategy, as_ranking, left_out

if TYPE_CHECKING:
    from model.similarity.round import Round

STREAM = 3  # of random numbers, apart from that of other draws of a round


@dataclass(frozen=True)
class RandomForeground(Strategy):
    """Random choice that knows what is looked for.

    In nnActive (Lüth et al. 2025) no method reliably beat random choice of 3D patches that partly has to show
    foreground, while all beat plain random choice. Here an image is as likely to come next as the model
    marks much of it; where it marks nothing, it comes after all others.
    """

    name: ClassVar[str] = "random_foreground"
    asks_for: ClassVar[str] = "any in which the model marks something, rather those in which it marks much"

    def rank(self, round_: Round, budget: int) -> Ranking:
        """The unlabelled images in an order that the round's seed and the shares of foreground decide."""
        round_.check_budget(budget)
        outputs = round_.learner.outputs("Foreground", [round_.model], round_.unlabelled)
        shares = {identity: share_found(found[0]) for identity, found in outputs}
        draws = np.random.default_rng([round_.seed, STREAM]).exponential(size=len(shares))
        # Of exponential times the first is that of an image with a probability in proportion to its rate.
        times = {
            identity: (share == 0, draw / (share or 1.0))
            for draw, (identity, share) in zip(draws, shares.items(), strict=True)
        }
        order = sorted(times, key=lambda identity: times[identity])
        reasons = [
            Reason(Kind.RANDOM, value=shares[identity]) if shares[identity] else Reason(Kind.EMPTY)
            for identity in order
        ]
        last, why = left_out(round_, shares)
        return as_ranking(order + last, budget, [*reasons, *why])


def share_found(probabilities: npt.NDArray[np.float32]) -> float:
    """The share of foreground in float32 (classes, H, W) probabilities; 0 for a speck."""
    found = probabilities.argmax(axis=0) > 0
    return float(found.mean()) if np.count_nonzero(found) >= FEWEST_SAMPLED else 0.0
