"""Is the recipe converged? Networks trained for more and more steps on the same sets, compared with what the
seed alone changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from model.data.mask_coding import PLAIN, MaskOptions
from model.errors import BudgetError
from model.experiment.processes import results_of
from model.experiment.protocol import Split, describe_data, read_pool
from model.experiment.resume import load_or_begin
from model.experiment.scores import train_and_score
from model.files import check_writable, write_bytes
from model.network.recipe import Recipe

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
    path = out / "convergence.json"
    check_writable(path)
    reading = (classes, masks)
    pool = read_pool(data, split, recipe.max_side, *reading)
    largest = len(Split.read(split).pool)
    if not all(1 <= size <= largest for size in sizes):
        raise BudgetError(
            f"sizes: found {', '.join(map(str, sizes))}, expected 1 to {largest}, the number of pool images"
            f" in {split}."
        )
    settings = {
        **describe_data(data, split, classes, pool.reading),
        "recipe": recipe.replace(steps=1).to_dict(),
    }
    finished = load_or_begin(path, settings, "dice")
    combinations = product(sizes, steps, range(draws), range(seeds))
    names = {combination: "/".join(map(str, combination)) for combination in combinations}
    todo = [unit for unit, name in names.items() if name not in finished["dice"]]
    on_done(len(names) - len(todo), len(names))
    units = [
        (data, split, recipe.replace(steps=count), reading, size, draw, seed)
        for size, count, draw, seed in todo
    ]
    for (_, _, trained_by, _, size, draw, seed), value in results_of(jobs, score_once, units):
        finished["dice"][names[size, trained_by.steps, draw, seed]] = round(value, 4)
        write_bytes(path, json.dumps(finished, indent=1).encode())
        on_done(sum(name in finished["dice"] for name in names.values()), len(names))
    write_bytes(out / "convergence.md", table(finished["dice"]).encode())


def table(dices: dict[str, float]) -> str:
    """A Markdown table: mean test dice by size and steps, and the seed's standard deviation.

    The change from the row before is that of the trainings (set and seed) which both rows have.
    """
    values: dict[tuple[int, int], dict[tuple[int, int], float]] = {}
    for name, value in dices.items():
        size, steps, draw, seed = (int(part) for part in name.split("/"))
        values.setdefault((size, steps), {})[draw, seed] = value
    lines = [
        "| images | steps | test dice | change | standard deviation of one training (seed) | trainings |",
        "|---|---|---|---|---|---|",
    ]
    verdicts: dict[int, str] = {}
    size_before, before = 0, dict[tuple[int, int], float]()
    for (size, steps), scores in sorted(values.items()):
        by_draw = [
            [score for (d, _), score in scores.items() if d == draw] for draw in {d for d, _ in scores}
        ]
        spread = (
            f"{np.sqrt(np.mean([np.var(group, ddof=1) for group in by_draw])):.3f}"
            if min(map(len, by_draw)) > 1
            else ""
        )
        gains = (
            [score - before[training] for training, score in scores.items() if training in before]
            if size == size_before
            else []
        )
        change = f"{np.mean(gains):+.3f}" if gains else ""
        lines.append(
            f"| {size} | {steps} | {np.mean(list(scores.values())):.3f} | {change} | {spread} |"
            f" {len(scores)} |"
        )
        if gains and spread:
            settled = abs(np.mean(gains)) <= float(spread)
            verdicts[size] = (
                f"- {size} images: {'converged' if settled else 'not converged'}, from the row before to"
                f" {steps} steps the dice changes by {change}, one training's noise is {spread}."
            )
        size_before, before = size, scores
    if verdicts:
        lines += [
            "",
            (
                "Converged means that the last change is no larger than what the seed alone changes. Where it"
                " is not, try more steps."
            ),
            "",
        ]
        lines += verdicts.values()
    return "\n".join(lines) + "\n"
