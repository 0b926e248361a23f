"""Is the recipe converged? Networks trained for more and more steps on the same sets, compared with what the seed alone changes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import numpy as np

from model.dice import dice
from model.experiment.processes import executor
from model.experiment.protocol import Split, read_pool
from model.files import write_bytes
from model.inference import predict_masks
from model.recipe import Recipe
from model.training import train


def test_dice(data: Path, split_path: Path, recipe: Recipe, size: int, draw: int, seed: int) -> float:
    """Mean test dice of one network trained on `size` pool images; the set depends on `draw` alone, the training on `seed`."""
    pool, split = read_pool(data, split_path, recipe.max_side), Split.read(split_path)
    chosen = sorted(str(i) for i in np.random.default_rng(draw).choice(split.pool, size, replace=False))
    model = train([pool.images[i] for i in chosen], [pool.labels[i] for i in chosen], classes=pool.classes, recipe=recipe, seed=seed)
    masks = predict_masks(model, (pool.images[i] for i in split.test))
    return float(np.mean([dice(mask, pool.labels[i], pool.classes) for i, mask in zip(split.test, masks, strict=True)]))


def study(
    data: Path,
    split: Path,
    recipe: Recipe,
    out: Path,
    *,
    sizes: Sequence[int],
    steps: Sequence[int],
    draws: int,
    seeds: int,
    jobs: int,
    on_done: Callable[[int, int], None],
) -> None:
    """Train on `draws` random sets of each size, with `seeds` seeds, for each number of steps; write convergence.json and .md into `out`.

    Finished trainings are taken from an existing convergence.json.
    """
    path = out / "convergence.json"
    read_pool(data, split, recipe.max_side)
    finished: dict[str, Any] = {"recipe": recipe.to_dict(), "split": split.name, "dice": {}}
    if path.exists():
        stored = json.loads(path.read_text())
        if stored["recipe"] == finished["recipe"] and stored["split"] == split.name:
            finished = stored
    units = list(itertools.product(sizes, steps, range(draws), range(seeds)))
    with executor(jobs) as pool:
        pending = {}
        for size, count, draw, seed in units:
            name = f"{size}/{count}/{draw}/{seed}"
            if name not in finished["dice"]:
                pending[pool.submit(test_dice, data, split, recipe.replace(steps=count), size, draw, seed)] = name
        for future in as_completed(pending):
            finished["dice"][pending[future]] = round(future.result(), 4)
            write_bytes(path, json.dumps(finished, indent=1).encode())
            on_done(len(finished["dice"]), len(units))
    write_bytes(out / "convergence.md", table(finished["dice"]).encode())


def table(dices: dict[str, float]) -> str:
    """A Markdown table: mean test dice by size and steps, its change from the row before, and the seed's standard deviation."""
    values: dict[tuple[int, int], dict[tuple[int, int], float]] = {}
    for name, value in dices.items():
        size, steps, draw, seed = (int(part) for part in name.split("/"))
        values.setdefault((size, steps), {})[draw, seed] = value
    lines = ["| images | steps | test dice | change | standard deviation of one training (seed) | trainings |", "|---|---|---|---|---|---|"]
    previous: tuple[int, float] | None = None
    for (size, steps), scores in sorted(values.items()):
        mean = float(np.mean(list(scores.values())))
        by_draw = [[score for (d, _), score in scores.items() if d == draw] for draw in {d for d, _ in scores}]
        spread = float(np.sqrt(np.mean([np.var(group, ddof=1) for group in by_draw]))) if min(map(len, by_draw)) > 1 else float("nan")
        change = f"{mean - previous[1]:+.3f}" if previous is not None and previous[0] == size else ""
        lines.append(f"| {size} | {steps} | {mean:.3f} | {change} | {spread:.3f} | {len(scores)} |")
        previous = (size, mean)
    return "\n".join(lines) + "\n"
