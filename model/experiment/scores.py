"""The score of a labelled set: networks trained on it from scratch, and their dice on the test images;
kept for reuse."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.data.pool import Pool
from model.errors import CheckpointError
from model.experiment.protocol import Protocol
from model.experiment.split import Split
from model.files import write_bytes
from model.hashing import digest, digest_of_array
from model.network.checkpoint import TrainedModel
from model.network.dice import dice
from model.network.inference import Segmenter, predict_masks
from model.network.recipe import Recipe
from model.network.training import train
from model.pixels import PixelModel, whole_features
from model.saved_model import load_model
from model.similarity.learner import UNET

WORST_SHARE = 0.2  # of the test images make up the worst fifth


@dataclass(frozen=True)
class Scorer:
    """Trains networks on labelled sets of one experiment and scores them on the test set.

    What was trained before (a killed run, another arm with the same set) is taken from `folder`.
    """

    protocol: Protocol
    experiment: int
    folder: Path

    def score(self, chosen: tuple[str, ...], done: int = 0) -> dict[str, Any]:
        """The fields of a Run that tell how the protocol's `repeats` networks, less the first `done`, did
        when they were trained on the masks of `chosen`."""
        repeats = [self._scored(chosen, repeat) for repeat in range(done, self.protocol.repeats)]
        values = [sorted(repeat["dice"].values()) for repeat in repeats]
        worst = max(1, round(WORST_SHARE * len(values[0])))
        return {
            "dice": tuple(float(np.mean(dices)) for dices in values),
            "worst_dice": tuple(float(np.mean(dices[:worst])) for dices in values),
            "train_seconds": sum(repeat["seconds"] for repeat in repeats),
            "machine": repeats[0].get("machine", {}),
        }

    def model_folder(self, chosen: tuple[str, ...]) -> Path:
        """Where the first network trained on the masks of `chosen` is: f_L of the next query."""
        self._scored(chosen, 0)
        return self._folder(chosen, 0) / "model"

    @cached_property
    def _settings(self) -> dict[str, Any]:
        """What the scores of a set depend on, beside the set."""
        recipe = {"recipe": self.protocol.recipe.to_dict(), "seed": self.protocol.seed}
        learner = {} if self.protocol.learner == UNET else {"learner": self.protocol.learner}
        return self.protocol.describe_data() | recipe | learner

    def _folder(self, chosen: tuple[str, ...], repeat: int) -> Path:
        return self.folder / digest(self._settings, self.experiment, chosen) / str(repeat)

    def _scored(self, chosen: tuple[str, ...], repeat: int) -> dict[str, Any]:
        folder, seed = self._folder(chosen, repeat), self.protocol.training_seed(self.experiment, repeat)
        path, keeps_model = folder / "score.json", repeat == 0
        try:
            score: dict[str, Any] = json.loads(path.read_text())
            if keeps_model:
                load_model(folder / "model")
            test = set(self.protocol.split_of(self.experiment).test)
            if score["dice"].keys() == test and score["seconds"] >= 0:
                return score
        except (OSError, ValueError, LookupError, TypeError, AttributeError, CheckpointError):
            pass  # not there yet, or not whole
        started = time.perf_counter()
        model, dices = self._train(chosen, seed)
        if keeps_model:
            model.save(folder / "model")
        seconds = round(time.perf_counter() - started, 2)
        machine = model.record["machine"]
        score = {"chosen": list(chosen), "seed": seed, "dice": dices, "seconds": seconds, "machine": machine}
        write_bytes(path, json.dumps(score, indent=1).encode())
        return score

    def _train(self, chosen: tuple[str, ...], seed: int) -> tuple[Segmenter, dict[str, float]]:
        pool, split = self.protocol.read_pool(), self.protocol.split_of(self.experiment)
        if self.protocol.learner == UNET:
            return train_and_score(pool, split, chosen, self.protocol.recipe, seed)
        model = self.protocol.round_of(self.experiment, chosen, seed, self.folder, None).pixel_model
        return model, score_pixel_model(model, pool, split)


def score_pixel_model(model: PixelModel, pool: Pool, split: Split) -> dict[str, float]:
    """Its dice on each whole test image by id; their features are computed once in a process."""
    features = whole_features(model.extractor.precision)
    dices = {}
    for i in split.test:
        truth, read = pool.labels[i], partial(pool.images.__getitem__, i)
        name = digest(pool.digests[i] if pool.digests else digest_of_array(read()), truth.shape)
        probabilities = model.probabilities_of(features.blocks(name, read), truth.shape)
        dices[i] = dice(probabilities.argmax(dim=0).to(torch.uint8).numpy(), truth, pool.classes)
    return dices


def train_and_score(
    pool: Pool, split: Split, chosen: Sequence[str], recipe: Recipe, seed: int
) -> tuple[TrainedModel, dict[str, float]]:
    """A network trained from scratch on the masks of `chosen`, and its dice on each test image by id."""
    images, labels = [pool.images[i] for i in chosen], [pool.labels[i] for i in chosen]
    model = train(images, labels, classes=pool.classes, recipe=recipe, seed=seed)
    masks = predict_masks(model, (pool.images[i] for i in split.test))
    return model, {
        i: dice(mask, pool.labels[i], pool.classes) for i, mask in zip(split.test, masks, strict=True)
    }
