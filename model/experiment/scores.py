"""The score of a labelled set: networks trained on it from scratch, and their dice on the test images; kept for reuse."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.dice import dice
from model.digests import digest
from model.errors import CheckpointError
from model.experiment.protocol import Protocol, Split, describe_data
from model.files import write_bytes
from model.inference import predict_masks
from model.pool import Pool
from model.recipe import Recipe
from model.trained import TrainedModel
from model.training import train

WORST_SHARE = 0.2  # of the test images make up the worst fifth


@dataclass(frozen=True)
class Score:
    """Test dice in [0, 1], one value a repeated training, and what it cost."""

    dice: tuple[float, ...]
    worst_dice: tuple[float, ...]
    seconds: float
    model_folder: Path  # the network of the first repeat: f_L of the next query
    machine: dict[str, Any]  # what it was trained on (model.device.describe)


def score_set(protocol: Protocol, pool: Pool, split: Split, experiment: int, chosen: tuple[str, ...], folder: Path) -> Score:
    """Train `repeats` networks on the masks of `chosen` and score each on the test set.

    What was trained before (a killed run, another arm with the same set) is taken from `folder`.
    """
    described = {
        **describe_data(protocol.data, protocol.split, protocol.classes),
        "recipe": protocol.recipe.to_dict(),
        "seed": protocol.seed,
    }
    name = digest(described, experiment, chosen)
    repeats = [
        _score_once(protocol, pool, split, protocol.training_seed(experiment, repeat), chosen, folder / name / str(repeat))
        for repeat in range(protocol.repeats)
    ]
    values = [sorted(repeat["dice"].values()) for repeat in repeats]
    worst = max(1, round(WORST_SHARE * len(split.test)))
    return Score(
        tuple(float(np.mean(dices)) for dices in values),
        tuple(float(np.mean(dices[:worst])) for dices in values),
        sum(repeat["seconds"] for repeat in repeats),
        folder / name / "0" / "model",
        repeats[0].get("machine", {}),
    )


def _score_once(protocol: Protocol, pool: Pool, split: Split, seed: int, chosen: tuple[str, ...], folder: Path) -> dict[str, Any]:
    path, keeps_model = folder / "score.json", folder.name == "0"
    try:
        score: dict[str, Any] = json.loads(path.read_text())
        if keeps_model:
            TrainedModel.load(folder / "model")
        if score["dice"].keys() == set(split.test) and score["seconds"] >= 0:
            return score
    except (OSError, ValueError, KeyError, TypeError, AttributeError, CheckpointError):  # not there yet, or not whole
        pass
    started = time.perf_counter()
    model, dices = train_and_score(pool, split, chosen, protocol.recipe, seed)
    if keeps_model:
        model.save(folder / "model")
    seconds = round(time.perf_counter() - started, 2)
    score = {"chosen": list(chosen), "seed": seed, "dice": dices, "seconds": seconds, "machine": model.record["machine"]}
    write_bytes(path, json.dumps(score, indent=1).encode())
    return score


def train_and_score(pool: Pool, split: Split, chosen: Sequence[str], recipe: Recipe, seed: int) -> tuple[TrainedModel, dict[str, float]]:
    """A network trained from scratch on the masks of `chosen`, and its dice on each test image by id."""
    images, labels = [pool.images[i] for i in chosen], [pool.labels[i] for i in chosen]
    model = train(images, labels, classes=pool.classes, recipe=recipe, seed=seed)
    masks = predict_masks(model, (pool.images[i] for i in split.test))
    return model, {i: dice(mask, pool.labels[i], pool.classes) for i, mask in zip(split.test, masks, strict=True)}
