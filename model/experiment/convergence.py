"""Is the recipe converged? Networks trained for more and more steps on the same sets, compared with what the
seed alone changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from model.data.masks.coding import PLAIN, MaskOptions
from model.errors import BudgetError
from model.experiment.images import describe_data, read_pool
from model.experiment.record.run import Dice
from model.experiment.scores import train_and_score
from model.experiment.split import Split
from model.experiment.study import Study
from model.files import write_bytes
from model.network.recipe import Recipe

SPREAD = "standard deviation of one training (seed)"
Trainings = dict[Annotated[str, Field(pattern=r"^\d+/\d+/\d+/\d+$")], Dice]
"""Mean test dice by size/steps/draw/seed."""
Reading = tuple[int | None, MaskOptions]
"""The number of classes, if it is stated, and what is said about the masks."""


def score_once(
    data: Path, split_path: Path, recipe: Recipe, reading: Reading, size: int, draw: int, seed: int
) -> float:
    """Mean test dice of one network trained on `size` pool images;
    the set depends on `draw` alone, the training on `seed`."""
    pool, split = read_pool(data, split_path, recipe.max_side, *reading), Split.read(split_path)
    chosen = sorted(str(i) for i in np.random.default_rng(draw).choice(split.pool, size, replace=False))
    return float(np.mean(list(train_and_score(pool, split, chosen, recipe, seed)[1].values())))


def study(
    data: Path,
    split: Path,
    recipe: Recipe,
    out: Path,
    *,
    classes: int | None = None,
    masks: MaskOptions = PLAIN,
    sizes: Sequence[int],
    steps: Sequence[int],
    draws: int,
    seeds: int,
    jobs: int,
    on_done: Callable[[int, int], None],
) -> None:
    """Train on `draws` random sets of each size, with `seeds` seeds, for each number of steps;
    write convergence.json and .md into `out`.

    Finished trainings are taken from an existing convergence.json.
    """
    reading = (classes, masks)
    pool = read_pool(data, split, recipe.max_side, *reading)
    largest = len(Split.read(split).pool)
    if not all(1 <= size <= largest for size in sizes):
        raise BudgetError(
            f"sizes: found {', '.join(map(str, sizes))}, expected 1 to {largest}, the number of pool images"
            f" in {split}."
        )
    described = describe_data(data, split, classes, pool.reading)
    settings = {**described, "recipe": recipe.replace(steps=1).to_dict()}
    units = {
        f"{size}/{count}/{draw}/{seed}": (data, split, recipe.replace(steps=count), reading, size, draw, seed)
        for size, count, draw, seed in product(sizes, steps, range(draws), range(seeds))
    }
    with Study.open(out / "convergence.json", settings, "dice", Trainings) as kept:
        finished = kept.finish(jobs, score_once, units, on_done)
        write_bytes(out / "convergence.md", table(finished).encode())


def table(dices: dict[str, float]) -> str:
    """A Markdown table: mean test dice by size and steps, and the seed's standard deviation.

    The change from the row before is that of the trainings (set and seed) which both rows have.
    """
    import pandas as pd  # here: it takes half a second to load, for which no other command has a use

    from model.experiment.evaluation.markdown import to_markdown

    names = ["size", "steps", "draw", "seed"]
    index = pd.MultiIndex.from_tuples([tuple(map(int, name.split("/"))) for name in dices], names=names)
    by_steps = pd.Series(dices.values(), index).unstack("steps").sort_index()  # a row a training
    lines: list[dict[str, object]] = []
    verdicts: dict[int, str] = {}  # by size, of the last two rows that can be compared
    for size, trainings in by_steps.groupby("size"):
        trainings = trainings.dropna(axis=1, how="all")
        gains = trainings.diff(axis=1).mean()
        for steps, scores in trainings.items():
            variances = scores.dropna().groupby("draw").var()
            spread = "" if variances.isna().any() else f"{np.sqrt(variances.mean()):.3f}"
            change = "" if np.isnan(gains[steps]) else f"{gains[steps]:+.3f}"
            line = {"images": size, "steps": steps, "test dice": f"{scores.mean():.3f}", "change": change}
            lines.append({**line, SPREAD: spread, "trainings": scores.count()})
            if change and spread:
                judged = "converged" if abs(gains[steps]) <= float(spread) else "not converged"
                verdicts[size] = (
                    f"- {size} images: {judged}, from the row before to {steps} steps the dice changes by"
                    f" {change}, one training's noise is {spread}."
                )
    text = to_markdown(pd.DataFrame(lines), rule="---")
    if verdicts:
        rule = "Converged means that the last change is no larger than what the seed alone changes."
        text = "\n".join([text, "", f"{rule} Where it is not, try more steps.", "", *verdicts.values()])
    return f"{text}\n"
