"""Small experiments: runs whose numbers can be worked out by hand, and a protocol that takes a second."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.experiment.protocol import Protocol
from model.experiment.record.run import INITIAL, RANDOM, Run
from model.network.recipe import Recipe

TINY = Recipe(width=4, depth=2, max_side=48, crop=32, batch=2, steps=6, row_steps=3)

PROTOCOL: dict[str, Any] = {
    "data": "axons",
    "recipe": {"steps": 500, "lr": 0.001},
    "experiments": 2,
    "strategies": ["random", "ensemble"],
    "sizes": [3, 5],
    "random_draws": 2,
    "initial_size": 3,
}
"""A plan that needs no training."""


def make(
    experiment: int,
    strategy: str,
    size: int,
    dice: float | Sequence[float],
    draw: int = 0,
    chosen: str | None = None,
    query: float = 0.0,
) -> Run:
    """Build a run whose images are named after the arm, so that sets differ between arms unless `chosen` is
    given."""
    scores = (dice,) if isinstance(dice, float) else tuple(dice)
    names = tuple(f"{chosen or f'{strategy}{draw}'}-{i:03}" for i in range(size))
    added = () if strategy == INITIAL else names[-1:]
    return Run(
        experiment, strategy, draw, size, names, added, scores, tuple(d / 2 for d in scores), 0, 10.0, query
    )


def small() -> list[Run]:
    """Two experiments, sizes 3, 5 and 9 (the whole pool), two draws of random, one strategy."""
    runs = []
    for e, (initial, five, draws, nine) in enumerate(
        [(0.5, 0.7, (0.6, 0.64), 0.8), (0.4, 0.6, (0.5, 0.62), 0.8)]
    ):
        runs += [
            make(e, INITIAL, 3, initial),
            make(e, "s", 5, five, query=2.0),
            make(e, "s", 9, nine, chosen="pool", query=4.0),
        ]
        for d, score in enumerate(draws):
            runs += [make(e, "random", 5, score, d), make(e, "random", 9, nine, d, chosen="pool")]
    return runs


def protocol_of(data: Path, **changes: object) -> Protocol:
    settings: dict[str, object] = {
        "data": data,
        "split": data / "split.json",
        "strategies": (RANDOM, "task_dependent"),
        "experiments": 2,
        "initial": 2,
        "sizes": (3, 5, 8),
        "recipe": TINY,
        "random_draws": 2,
        "options": {"task_dependent": {"candidates": 2}},
    }
    return Protocol(**(settings | changes))  # type: ignore[arg-type]


def make_ensemble(
    experiment: int = 0, strategy: str = "ensemble", draw: int = 0, size: int = 5, **other: Any
) -> Run:
    """Build a run of the ensemble that was trained twice, with the fields of `other` in place of its own."""
    values: dict[str, Any] = {
        "chosen": tuple(f"{i:02}.png" for i in range(size)),
        "added": (),
        "dice": (0.8, 0.9),
        "worst_dice": (0.5, 0.6),
        "seed": 1,
        "train_seconds": 2.0,
        "query_seconds": 1.0,
    } | other
    return Run(experiment, strategy, draw, size, **values)
