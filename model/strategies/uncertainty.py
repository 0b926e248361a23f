"""Uncertainty sampling: the images in which f_L is least sure come first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from model.reason import Kind, Reason
from model.strategies.base import Ranking, Strategy, as_ranking

if TYPE_CHECKING:
    from model.similarity.round import Round


@dataclass(frozen=True)
class Uncertainty(Strategy):
    """By the entropy of f_L's class probabilities, mean over the pixels, highest first (Settles 2009, section
    3.1)."""

    name: ClassVar[str] = "uncertainty"
    asks_for: ClassVar[str] = "the images of which the model is least certain"

    def rank(self, round_: Round, budget: int) -> Ranking:
        """The unlabelled images by mean entropy in bits; ties by id."""
        round_.check_budget(budget)
        entropies = dict.fromkeys(round_.unlabelled, 0.0)  # also of an image that is left out: it comes last
        for identity, outputs in round_.learner.outputs("Uncertainty", [round_.model], round_.unlabelled):
            entropies[identity] = mean_entropy(outputs[0])
        order = sorted(entropies, key=lambda identity: (-entropies[identity], identity))
        reasons = [Reason(Kind.UNCERTAIN, value=entropies[identity]) for identity in order]
        return as_ranking(order, budget, reasons)


def mean_entropy(probabilities: npt.NDArray[np.float32]) -> float:
    """Mean over the pixels of the entropy, in bits, of float32 (classes, H, W) probabilities."""
    safe = np.clip(probabilities, 1e-7, 1.0)
    return float(-(safe * np.log2(safe)).sum(axis=0).mean())
