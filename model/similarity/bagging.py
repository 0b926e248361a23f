"""Bagging:
networks trained on random parts of L, whose disagreement shows where f_L is guessing (Yang et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from model.errors import NoNetworkError
from model.similarity.learner import Learner, Part

if TYPE_CHECKING:
    from model.network.inference import Segmenter
    from model.similarity.round import Round

BAGS = 3  # networks trained on a part of L; f_L is the one on all of it
BAG_SHARE = 0.8  # of L, in each part
PREFIX = "bag-"  # of their names as units of work
NAMES = tuple(f"{PREFIX}{number}" for number in range(BAGS))


def bag_units(round_: Round) -> tuple[str, ...]:
    """The names of the networks, as units of work; none where all are trained at once in a second."""
    return NAMES if round_.learner.trains_apart else ()


def draw_bag(labelled: Sequence[str], random: np.random.Generator) -> tuple[str, ...]:
    """About 80 % of the labelled ids (at least one), sampled without replacement."""
    size = max(1, round(BAG_SHARE * len(labelled)))
    return tuple(sorted(str(identity) for identity in random.choice(labelled, size, replace=False)))


def bag_folder(unit: str) -> str:
    """Where in the round's folder the network of one of `bag_units` is kept."""
    return f"bags/{unit}"


def train_bag(round_: Round, unit: str) -> None:
    """Train one of `bag_units` and keep it in the round's folder, unless it is there."""
    _train(round_.learner, [unit])


def load_bags(learner: Learner[Any]) -> list[Segmenter]:
    """The networks of all bags, trained if they are not kept, less those that have failed.
    Raises NoNetworkError when all have."""
    names = [name for name in NAMES if name not in learner.round_.failed]
    if not names:
        raise NoNetworkError(
            f"None of the {BAGS} networks on parts of the labels could be trained:"
            f" {next(iter(learner.round_.failed.values()))}"
        )
    return _train(learner, names)


def _train(learner: Learner[Any], names: Sequence[str]) -> list[Segmenter]:
    learner.require_labels()
    seed, parts = learner.round_.seed, []
    for name in names:
        number = int(name.removeprefix(PREFIX))
        bag = draw_bag(learner.labelled, np.random.default_rng([seed, number]))
        parts.append(Part(bag, seed + 1 + number, bag_folder(name)))
    return learner.train_parts(parts)
