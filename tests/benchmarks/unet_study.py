"""Which training of the U-Net draws the best masks in the time that a training takes today.
docs/experiments/unet-recipe-plan.md has the plan, docs/experiments/unet-recipe.md the results.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m tests.benchmarks.unet_study DATA [DRAW ...]   (resumes; a training
for each core)
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, cpu_count, delayed
from torch.optim.swa_utils import AveragedModel

from model.data.pool import Pool, scan
from model.experiment.split import Split
from model.files import write_bytes
from model.network.checkpoint import TrainedModel
from model.network.device import default_device, number_format
from model.network.dice import dice
from model.network.inference import predict_masks
from model.network.recipe import Recipe
from model.network.training import train, train_and_average

RESULTS = Path("docs/experiments/unet_recipe/results.json")
SEED = 2026
DRAWS = 3
DECAY = 0.99
TIMED = 12  # steps of a measurement
MEASUREMENTS = 5


@dataclass(frozen=True)
class Setting:
    """A set of images at one size, in pixels of the longest side, and the numbers of labels."""

    data: str
    split: str
    side: int
    sizes: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"{self.data} {self.side}"


SETTINGS = (
    Setting("dsb2018", "split_42_42.json", 96, (1, 3, 6, 12)),
    Setting("axon_em", "split_42_42.json", 128, (1, 3, 6, 12)),
    Setting("usiigaci_t98g", "split_16_26.json", 128, (1, 3, 6)),
    Setting("usiigaci_t98g", "split_16_26.json", 256, (1, 3, 6)),
)
SETS = sorted({setting.data for setting in SETTINGS})
PRETRAINED = Recipe(encoder="efficientnet-lite0")
TRAININGS = {
    "scratch": Recipe(),
    "frozen": PRETRAINED.replace(encoder_rate=0.0),
    "slow": PRETRAINED.replace(encoder_rate=0.1),
    "large crops": Recipe(crop=256, batch=2),
}
BASE = "scratch"
WAYS = ("last weights", "average", "flips", "average and flips")


def trainings_of(setting: Setting) -> dict[str, Recipe]:
    """Elsewhere no image is larger than a crop of the default recipe."""
    return {name: each for name, each in TRAININGS.items() if name != "large crops" or setting.side == 256}


def cells(draw: int) -> list[tuple[Setting, int]]:
    """Settings and numbers of labels, in the random order of a draw."""
    found = [(setting, size) for setting in SETTINGS for size in setting.sizes]
    return [found[at] for at in np.random.default_rng([SEED, draw]).permutation(len(found))]


def chosen(setting: Setting, split: Split, draw: int, size: int) -> tuple[str, ...]:
    """The labelled images of a cell: the same whatever their size in pixels, and for all trainings."""
    random = np.random.default_rng([SEED, draw, SETS.index(setting.data), size])
    return tuple(sorted(str(name) for name in random.choice(split.pool, size, replace=False)))


@cache
def read(folder: Path, setting: Setting) -> tuple[Pool, Split]:
    data = folder / setting.data
    return scan(data / "images", data / "masks", max_side=setting.side), Split.read(data / setting.split)


def measure_steps(folder: Path, setting: Setting) -> dict[str, dict[str, float]]:
    """Processor seconds of a step of each training, measured in turn, and the steps in the time of BASE."""
    pool, split = read(folder, setting)
    ids = chosen(setting, split, 0, 3)
    images, labels = [pool.images[i] for i in ids], [pool.labels[i] for i in ids]
    seconds: dict[str, list[float]] = {name: [] for name in trainings_of(setting)}
    for measurement in range(MEASUREMENTS + 1):
        for name, recipe in trainings_of(setting).items():
            times: list[float] = []
            train(
                images,
                labels,
                classes=pool.classes,
                recipe=recipe,
                seed=0,
                steps=TIMED,
                on_step=lambda *_, times=times: times.append(time.process_time()),
            )
            if measurement:  # the first one warms up
                seconds[name].append((times[-1] - times[1]) / (TIMED - 2))
    step = {name: statistics.median(each) for name, each in seconds.items()}
    return {
        name: {
            "seconds": round(each, 4),
            "steps": round(TRAININGS[BASE].steps * step[BASE] / each),
        }
        for name, each in step.items()
    }


class _Averaging:
    """Processor seconds that averaging takes, which the ways without it are not charged for."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._update = AveragedModel.update_parameters

    def __enter__(self) -> _Averaging:
        def timed(average: AveragedModel, network: torch.nn.Module) -> None:
            started = time.process_time()
            self._update(average, network)
            self.seconds += time.process_time() - started

        AveragedModel.update_parameters = timed  # type: ignore
        return self

    def __exit__(self, *_: object) -> None:
        AveragedModel.update_parameters = self._update  # type: ignore


def run(folder: Path, setting: Setting, ids: tuple[str, ...], recipe: Recipe, seed: int) -> dict[str, Any]:
    """Mean dice over the test images, and processor seconds of training and their masks, of each of WAYS."""
    pool, split = read(folder, setting)
    images, labels = [pool.images[i] for i in ids], [pool.labels[i] for i in ids]
    started = time.process_time()
    with _Averaging() as averaging:
        last, averaged = train_and_average(
            images, labels, classes=pool.classes, recipe=recipe.replace(average=DECAY), seed=seed
        )
    training = time.process_time() - started - averaging.seconds
    assert averaged is not None
    scores: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for way in WAYS:
        network = averaged.network if "average" in way else last.network
        model = TrainedModel(network, pool.classes, recipe.replace(flips="flips" in way))
        started = time.process_time()
        masks = list(predict_masks(model, (pool.images[i] for i in split.test)))
        drawing = time.process_time() - started
        truths = [pool.labels[i] for i in split.test]
        dices = [dice(*pair, pool.classes) for pair in zip(masks, truths, strict=True)]
        scores[way] = round(float(np.mean(dices)), 4)
        seconds[way] = round(training + drawing + averaging.seconds * ("average" in way), 2)
    return {"dice": scores, "seconds": seconds}


@cache
def warm_up(folder: Path) -> None:
    """What a process loads at its first training of a kind is no run's time."""
    torch.set_num_threads(1)
    pool, split = read(folder, SETTINGS[0])
    first = split.pool[0]
    for recipe in TRAININGS.values():
        train([pool.images[first]], [pool.labels[first]], classes=2, recipe=recipe, seed=0, steps=1)


def run_one(folder: Path, setting: Setting, size: int, draw: int, name: str, steps: int) -> dict[str, Any]:
    """A training of a cell, as it is kept."""
    warm_up(folder)
    ids = chosen(setting, read(folder, setting)[1], draw, size)
    found = run(folder, setting, ids, TRAININGS[name].replace(steps=steps), 1000 * draw + size)
    about = {"setting": setting.name, "size": size, "draw": draw, "training": name}
    return {**about, "images": list(ids), **found}


def main(folder: Path, draws: Sequence[int]) -> None:
    """Compute what is not in RESULTS yet, draw by draw; a cell stays with the number format it began with."""
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    format_here = number_format(default_device(), "auto")
    measured = results.setdefault("steps", {}).setdefault(format_here, {})
    runs = results.setdefault("runs", [])
    for setting in SETTINGS:
        if setting.name not in measured:
            measured[setting.name] = measure_steps(folder, setting)
            print(setting.name, measured[setting.name], flush=True)
            save(results)
    done = {(each["setting"], each["size"], each["draw"], each["training"]) for each in runs}
    begun = {(each["setting"], each["size"], each["draw"]): each["format"] for each in runs}
    waiting = [
        (setting, size, draw, name)
        for draw in draws
        for setting, size in cells(draw)
        if begun.get((setting.name, size, draw), format_here) == format_here
        for name in trainings_of(setting)
        if (setting.name, size, draw, name) not in done
    ]
    # What the rule needs comes first: cells without a draw, and trainings that can become the default.
    drawn = {(setting, size) for setting, size, _ in begun}
    waiting.sort(key=lambda each: ((each[0].name, each[1]) in drawn, each[3] == "large crops"))
    calls = [
        delayed(run_one)(folder, setting, size, draw, name, int(measured[setting.name][name]["steps"]))
        for setting, size, draw, name in waiting
    ]
    for found in Parallel(n_jobs=cpu_count(), return_as="generator_unordered", batch_size=1)(calls):
        runs.append({"format": format_here, **found})
        save(results)
        print(found, flush=True)


def save(results: dict[str, Any]) -> None:
    """One run a line, so that a further one is a line more in the history."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(each) for each in results["runs"])
    head = json.dumps({"steps": results["steps"]}, indent=1)[:-2]
    write_bytes(RESULTS, f'{head},\n "runs": [\n{lines}\n]\n}}\n'.encode())


if __name__ == "__main__":
    from tests.benchmarks import unet_study  # other processes cannot look into `__main__`

    unet_study.main(Path(sys.argv[1]), [int(each) for each in sys.argv[2:]] or range(DRAWS))
