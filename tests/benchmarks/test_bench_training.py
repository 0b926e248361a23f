"""Seconds of a training step and of a row of d, each beside a plain loop in float32 and contiguous memory, in
turn in the same run.

Run: make bench ARGS="-k training"   (nothing else should run on the machine)
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from segmentation_models_pytorch.losses import DiceLoss

from model.data.pool import Pool, scan
from model.experiment.split import Split
from model.network.augmentation import CropSampler
from model.network.dice import dice
from model.network.recipe import Recipe
from model.network.training import train
from model.network.unet import build_network
from model.similarity import train_row
from model.similarity.round import Round

PAIRS = 3  # of ours and the rival, in turn
RECIPES = {
    "experiment (width 8, crop 64, images 96)": Recipe(width=8, crop=64, max_side=96),
    "default on a CPU (width 16, crop 128, images 256)": Recipe(width=16, crop=128, max_side=256),
}


def plain_training(
    images: list[np.ndarray], labels: list[np.ndarray], recipe: Recipe, steps: int
) -> torch.nn.Module:
    """The rival: the same network, crops, losses and steps, as a tutorial would write them."""
    network = build_network("unet", 2, width=recipe.width, depth=recipe.depth).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, foreach=False)
    soft_dice = DiceLoss("multiclass", classes=[1], from_logits=True)
    sampler = CropSampler(images, labels, recipe.crop, 0, torch.device("cpu"))
    for _ in range(steps):
        crops, targets = sampler.sample(recipe.batch)
        logits = network(crops.contiguous())
        loss = soft_dice(logits, targets) + torch.nn.functional.cross_entropy(logits, targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def in_turn(ours: Callable[[], object], rival: Callable[[], object]) -> tuple[float, float, float]:
    """Median seconds of both and the median of the ratios pair by pair, after one warm-up of each."""
    ours(), rival()
    seconds: list[tuple[float, float]] = []
    for _ in range(PAIRS):
        pair = []
        for run in (ours, rival):
            started = time.perf_counter()
            run()
            pair.append(time.perf_counter() - started)
        seconds.append((pair[0], pair[1]))
    mine, other = zip(*seconds, strict=True)
    return statistics.median(mine), statistics.median(other), statistics.median(b / a for a, b in seconds)


def data(folder: Path, recipe: Recipe) -> tuple[Pool, Split]:
    return scan(folder / "images", folder / "masks", max_side=recipe.max_side), Split.read(
        folder / "split_42_42.json"
    )


@pytest.mark.benchmark
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", RECIPES)
def test_training_step(shared_data: Path, name: str) -> None:
    """A step of a training on eight images."""
    recipe, steps = RECIPES[name], 30
    pool, split = data(shared_data / "dsb2018", recipe)
    images, labels = [pool.images[i] for i in split.pool[:8]], [pool.labels[i] for i in split.pool[:8]]
    mine, other, ratio = in_turn(
        lambda: train(images, labels, classes=2, recipe=recipe, seed=0, steps=steps),
        lambda: plain_training(images, labels, recipe, steps),
    )
    print(
        f"\ntraining step, {name}, {torch.get_num_threads()} threads: "
        f"{mine / steps * 1e3:.1f} ms, plain {other / steps * 1e3:.1f} ms, {ratio:.2f}x"
    )


@pytest.mark.benchmark
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", RECIPES)
def test_row_of_d(shared_data: Path, tmp_path: Path, name: str) -> None:
    """One f_k trained on one image and scored on 42."""
    recipe = RECIPES[name].replace(row_steps=50)
    pool, split = data(shared_data / "dsb2018", recipe)
    k = split.pool[0]
    round_ = Round(
        {i: pool.images[i] for i in split.pool}, {k: pool.labels[k]}, 2, recipe.replace(steps=50), 0, tmp_path
    )
    truth = {i: pool.labels[i] for i in split.pool}

    def plain() -> list[float]:
        network = plain_training([pool.images[k]], [pool.labels[k]], recipe, recipe.row_steps)
        masks = []
        with torch.no_grad():
            for i in split.pool:
                batch = torch.tensor(pool.images[i]).permute(2, 0, 1)[None].contiguous()
                masks.append(network(batch)[0].argmax(0).numpy().astype(np.uint8))
        return [dice(mask, truth[i], 2) for i, mask in zip(split.pool, masks, strict=True)]

    mine, other, ratio = in_turn(lambda: train_row(round_, k, truth), plain)
    print(f"\nrow of d (50 steps, 42 images), {name}: {mine:.2f} s, plain {other:.2f} s, {ratio:.2f}x")
