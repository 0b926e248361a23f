"""Bagging:
networks trained on random parts of L, whose disagreement shows where f_L is guessing (Yang et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.errors import StrategyError
from model.network.checkpoint import TrainedModel
from model.similarity.round import Round

BAGS = 3  # networks trained on a part of L; f_L is the one on all of it
BAG_SHARE = 0.8  # of L, in each part
PREFIX = "bag-"  # of their names as units of work


def bag_units() -> tuple[str, ...]:
    """The names of the networks, as units of work."""
    return tuple(f"{PREFIX}{number}" for number in range(BAGS))


def draw_bag(labelled: Sequence[str], random: np.random.Generator) -> tuple[str, ...]:
    """About 80 % of the labelled ids (at least one), sampled without replacement."""
    size = max(1, round(BAG_SHARE * len(labelled)))
    return tuple(sorted(str(identity) for identity in random.choice(labelled, size, replace=False)))


def bag_folder(unit: str) -> str:
    """Where in the round's folder the network of one of `bag_units` is kept."""
    return f"bags/{unit}"


def train_bag(round_: Round, unit: str) -> None:
    """Train one of `bag_units` and keep it in the round's folder, unless it is there."""
    bag_model(round_, unit)


def load_bags(round_: Round) -> list[TrainedModel]:
    """The trained networks of all bags, less those that have failed. Raises StrategyError when all have."""
    units = [unit for unit in bag_units() if unit not in round_.failed]
    if not units:
        raise StrategyError(
            f"None of the {BAGS} networks on parts of the labels could be trained:"
            f" {next(iter(round_.failed.values()))}"
        )
    return [bag_model(round_, unit) for unit in units]


def bag_model(round_: Round, unit: str) -> TrainedModel:
    """The network of one of `bag_units`, trained if it is not in the round's folder."""
    round_.require_labels()
    number = int(unit.removeprefix(PREFIX))
    bag = draw_bag(round_.labelled, np.random.default_rng([round_.seed, number]))
    return round_.kept(
        round_.folder / bag_folder(unit),
        lambda: round_.train(f"Training {unit}", bag, round_.seed + 1 + number),
    )
