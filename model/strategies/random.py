"""The paper's baseline: images in random order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from model.reason import Kind, Reason
from model.strategies.base import Ranking, Strategy, as_ranking

if TYPE_CHECKING:
    from model.similarity.round import Round


@dataclass(frozen=True)
class Random(Strategy):
    """Every unlabelled image is as likely as any other to come next."""

    name: ClassVar[str] = "random"
    asks_for: ClassVar[str] = "any"
    needs_labels: ClassVar[bool] = False

    def rank(self, round_: Round, budget: int) -> Ranking:
        """The unlabelled images in an order that the round's seed decides."""
        round_.check_budget(budget)
        order = [
            str(identity) for identity in np.random.default_rng(round_.seed).permutation(round_.unlabelled)
        ]
        return as_ranking(order, budget, [Reason(Kind.RANDOM)] * len(order))
