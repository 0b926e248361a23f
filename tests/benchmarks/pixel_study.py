"""Which features and which learner of pixels segment best where few images are labelled.
docs/pixel-classifier.md has the plan and the results.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m tests.benchmarks.pixel_study DATA [ARM ...]   (resumes)
The rivals need an environment that has scikit-learn and lightgbm; without them their arms are left out.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from torch.nn.functional import interpolate, pad

from model.data.pool import Pool, scan
from model.experiment.split import Split
from model.files import write_bytes
from model.network.dice import dice
from model.pixels import Pixels, filter_bank, pretrained, stacked, train_networks
from model.pixels.samples import draw_positions

RESULTS, PAGE = Path("docs/pixel-classifier.json"), Path("docs/pixel-classifier.md")
DATA = (
    ("dsb2018", "split_42_42.json", 96),
    ("axon_em", "split_42_42.json", 128),
    ("usiigaci_t98g", "split_16_26.json", 128),
    ("pfc_pn", "split_42_42.json", 192),
)
"""Set, split and longest side in pixels."""
SIZES = (1, 3, 6, 12)
REPEATS = 8  # random sets of each size
TESTED = 26  # of the held-out images
MEASURED = 4096  # pixels of a test image that dice is taken over; all where probabilities are smoothed
SEED = 2026

Parts = dict[str, npt.NDArray[np.float16]]
"""Kinds of features of an image by name, float16 (H * W, channels) each."""
Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Arm:
    """Features and a learner; None: as many steps, hidden units, ... as the product's."""

    parts: str = "filters 2x:0 2x:1 2x:2"
    hidden: int = 48
    steps: int = 200
    learning_rate: float = 1e-2
    weight_decay: float = 1e-2
    members: int = 1  # networks whose probabilities are averaged
    balance: float = 0.0  # 0: pixels as they are; 1: each class as often
    pixels: int = 2000  # of each image
    smooth: float = 0.0  # sigma of a Gaussian over the probabilities, in pixels
    learner: str = "network"
    loudness: float = 1.0  # of the fourth level among the standardised features


FEATURES = {
    "2x": Arm(),
    "1.5x": Arm("filters 1.5x:0 1.5x:1 1.5x:2"),
    "1x": Arm("filters 1x:0 1x:1 1x:2"),
    "filters alone": Arm("filters"),
    "pretrained alone": Arm("2x:0 2x:1 2x:2"),
    "sigma 16": Arm("filters sigma16 2x:0 2x:1 2x:2"),
    "fourth level": Arm("filters 2x:0 2x:1 2x:2 2x:3"),
    "fourth level at half": Arm("filters 2x:0 2x:1 2x:2 2x:3", loudness=0.5),
    "fourth level at a quarter": Arm("filters 2x:0 2x:1 2x:2 2x:3", loudness=0.25),
    "fourth level, 40 random sums": Arm("filters 2x:0 2x:1 2x:2 2x:3:sums"),
    "fourth level instead of the third": Arm("filters 2x:0 2x:1 2x:3"),
    "third level left out": Arm("filters 2x:0 2x:1"),
    "two resolutions": Arm("filters 2x:0 2x:1 2x:2 1x:2 1x:3"),
    "1x to the fourth level": Arm("filters 1x:0 1x:1 1x:2 1x:3"),
    "1.5x to the fourth level": Arm("filters 1.5x:0 1.5x:1 1.5x:2 1.5x:3"),
    "levels in place": Arm("filters 2x:0 2x:1:moved 2x:2:moved"),
    "reflected margin": Arm("filters 2x:0:margin 2x:1:margin 2x:2:margin"),
    "reflected margin, 1.5x": Arm("filters 1.5x:0:margin 1.5x:1:margin 1.5x:2:margin"),
}
BASE = "fourth level at a quarter"
CHOSEN = FEATURES[BASE]
"""By the rule of the plan."""
_CHANGES: dict[str, dict[str, Any]] = {
    "hidden 32": {"hidden": 32},
    "hidden 64": {"hidden": 64},
    "hidden 128": {"hidden": 128},
    "150 steps": {"steps": 150},
    "300 steps": {"steps": 300},
    "learning rate .003": {"learning_rate": 3e-3},
    "learning rate .03": {"learning_rate": 3e-2},
    "weight decay .1": {"weight_decay": 0.1},
    "weight decay 1": {"weight_decay": 1.0},
    "two averaged": {"members": 2},
    "four averaged": {"members": 4},
    "half balanced": {"balance": 0.5},
    "balanced": {"balance": 1.0},
    "1000 pixels": {"pixels": 1000},
    "4000 pixels": {"pixels": 4000},
    "smoothed 1": {"smooth": 1.0},
    "smoothed 2": {"smooth": 2.0},
    "random forest": {"learner": "forest"},
    "LightGBM": {"learner": "lightgbm"},
}
LEARNERS = {f"learner: {name}": replace(CHOSEN, **changed) for name, changed in _CHANGES.items()}


def compute_parts(image: npt.NDArray[np.float32], encoder: torch.nn.ModuleList, needed: set[str]) -> Parts:
    """The kinds of features that are `needed` of a float32 (H, W, 3) image."""
    tensor = torch.from_numpy(image.transpose(2, 0, 1).copy())
    height, width = image.shape[:2]
    found: dict[str, torch.Tensor] = {}
    with torch.inference_mode():
        bank = filter_bank.filter_image(tensor, (*filter_bank.SIGMAS, 16.0))
        found["filters"], found["sigma16"] = bank[: filter_bank.CHANNELS], bank[filter_bank.CHANNELS :]
        for scale in (1, 1.5, 2):
            if not any(name.startswith(f"{scale}x") for name in needed):
                continue
            square = pad(tensor[None], (0, -width % 16, 0, -height % 16), mode="replicate")
            wider = pad(square, (32, 32, 32, 32), mode="reflect")
            for number, whole in enumerate(encode(encoder, wider, scale)):
                found[f"{scale}x:{number}:margin"] = whole[:, 32 : 32 + height, 32 : 32 + width]
            for number, whole in enumerate(encode(encoder, square, scale)):
                found[f"{scale}x:{number}"] = whole[:, :height, :width]
                if number == 3:
                    mixing = torch.randn(40, len(whole), generator=torch.Generator().manual_seed(0))
                    found[f"{scale}x:3:sums"] = torch.tensordot(mixing, whole, 1)[:, :height, :width] / 10
                # Convolutions with a stride of 2 are padded below and on the right alone: their outputs lie
                # .25, .75 and 1.75 pixels off.
                by = (0, 1, 2, 4)[number]
                back = pad(whole[None], (by, 0, by, 0), mode="replicate")[0]
                found[f"{scale}x:{number}:moved"] = back[:, :height, :width]
    return {name: found[name].flatten(1).T.contiguous().half().numpy() for name in needed}


def encode(stages: torch.nn.ModuleList, image: torch.Tensor, scale: float) -> list[torch.Tensor]:
    """The levels of a float32 (1, 3, H, W) image seen at `scale`: float32 (channels, H, W) each."""
    large = interpolate(image, scale_factor=scale, mode="bilinear", align_corners=False)
    levels, values = [], large
    for stage in stages:
        values = stage(values)
        levels.append(interpolate(values, size=image.shape[2:], mode="bilinear", align_corners=False)[0])
    return levels


@dataclass
class Data:
    """Pool and test images of a set with all kinds of features, and the sets of image ids to train on."""

    pool: Pool
    parts: dict[str, Parts]
    test: list[str]
    trained_on: list[tuple[str, ...]]

    @classmethod
    def read(
        cls, folder: Path, split_file: str, side: int, encoder: torch.nn.ModuleList, needed: set[str]
    ) -> Data:
        pool = scan(folder / "images", folder / "masks", max_side=side)
        split = Split.read(folder / split_file)
        generator = np.random.default_rng(SEED)
        test = sorted(generator.choice(split.test, min(TESTED, len(split.test)), replace=False).tolist())
        chosen = [
            tuple(sorted(generator.choice(split.pool, size, replace=False).tolist()))
            for size in SIZES
            for _ in range(REPEATS)
        ]
        used = sorted({image_id for each in chosen for image_id in each} | set(test))
        return cls(pool, {i: compute_parts(pool.images[i], encoder, needed) for i in used}, test, chosen)

    def features(self, image_id: str, arm: Arm, at: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Of some pixels: float32 (P, channels), standardised over the images of the set."""
        found = []
        for name in arm.parts.split():
            mean, deviation = self._scale(name)
            values = (self.parts[image_id][name][at].astype(np.float32) - mean) / deviation
            found.append(values * (arm.loudness if ":3" in name else 1))
        return np.concatenate(found, axis=1)

    def _scale(self, name: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        if not hasattr(self, "_scales"):
            self._scales: dict[str, Any] = {}
        if name not in self._scales:
            seen = [self.parts[i][name].astype(np.float64) for i in self.parts if i not in self.test]
            mean = np.mean([each.mean(axis=0) for each in seen], axis=0)
            square = np.mean([(each**2).mean(axis=0) for each in seen], axis=0)
            deviation = np.sqrt(np.maximum(square - mean**2, 0))
            scale = mean, np.where(deviation > 1e-6, deviation, 1)
            self._scales[name] = tuple(each.astype(np.float32) for each in scale)
        return self._scales[name]

    def pixels(self, images: Sequence[str], arm: Arm, seed: int) -> Pixels:
        """What a learner sees of labelled images."""
        features, classes = [], []
        for image_id in images:
            mask = self.pool.labels[image_id]
            at = draw_positions(mask.size, arm.pixels, mask)
            features.append(self.features(image_id, arm, at))
            classes.append(mask.ravel()[at])
        found, ids = np.concatenate(features), np.concatenate(classes)
        if arm.balance:
            shares = np.bincount(ids, minlength=self.pool.classes) / len(ids)
            weights = shares[ids] ** -arm.balance
            at = np.random.default_rng(seed).choice(len(ids), len(ids), p=weights / weights.sum())
            found, ids = found[at], ids[at]
        return Pixels(found, ids)


Learner = Callable[[npt.NDArray[np.float32]], list[Probabilities]]
"""From features (P, channels) of an image to probabilities (P, classes) of each set that was trained on."""


def train_stacked(data: Data, sets: Sequence[Sequence[str]], arm: Arm) -> Learner:
    stacked.WEIGHT_DECAY = arm.weight_decay
    pixels = [data.pixels(images, arm, seed) for seed, images in enumerate(sets)]
    networks = train_networks(
        [each for each in pixels for _ in range(arm.members)],
        [1000 * member + seed for seed in range(len(sets)) for member in range(arm.members)],
        classes=data.pool.classes,
        hidden=arm.hidden,
        steps=arm.steps,
        learning_rate=arm.learning_rate,
    )

    def predict(features: npt.NDArray[np.float32]) -> list[Probabilities]:
        with torch.inference_mode():
            found = networks.logits(torch.from_numpy(features)).softmax(dim=2)
            return list(found.reshape(len(sets), arm.members, *found.shape[1:]).mean(dim=1).numpy())

    return predict


def train_trees(data: Data, sets: Sequence[Sequence[str]], arm: Arm) -> Learner:
    models = []
    for seed, images in enumerate(sets):
        pixels = data.pixels(images, arm, seed)
        if arm.learner == "forest":
            from sklearn.ensemble import RandomForestClassifier

            model = RandomForestClassifier(100, min_samples_leaf=5, n_jobs=1, random_state=seed)
        else:
            from lightgbm import LGBMClassifier

            model = LGBMClassifier(n_estimators=100, num_leaves=15, n_jobs=1, random_state=seed, verbose=-1)
        models.append(model.fit(pixels.features, pixels.classes))

    def predict(features: npt.NDArray[np.float32]) -> list[Probabilities]:
        found: list[Probabilities] = []
        for model in models:
            probabilities = np.zeros((len(features), data.pool.classes), np.float32)
            probabilities[:, model.classes_.astype(int)] = model.predict_proba(features)
            found.append(probabilities)
        return found

    return predict


def score(data: Data, arm: Arm) -> dict[str, Any]:
    """Mean dice over the test images of each set that was trained on, by size;
    processor seconds of a training on twelve images."""
    train = train_stacked if arm.learner == "network" else train_trees
    largest = data.trained_on[-1]
    started = time.process_time()
    train(data, [largest], arm)
    seconds = time.process_time() - started
    predict = train(data, data.trained_on, arm)
    scores = np.zeros((len(data.trained_on), len(data.test)))
    for column, image_id in enumerate(data.test):
        mask = data.pool.labels[image_id]
        at = np.arange(mask.size) if arm.smooth else draw_positions(mask.size, MEASURED)
        for row, found in enumerate(predict(data.features(image_id, arm, at))):
            if arm.smooth:
                image = found.reshape(*mask.shape, -1)
                found = gaussian_filter(image, (arm.smooth, arm.smooth, 0), mode="nearest").reshape(
                    found.shape
                )
            drawn = found.argmax(axis=1).astype(np.uint8)[None]
            scores[row, column] = dice(drawn, mask.ravel()[at][None], data.pool.classes)
    means = scores.mean(axis=1).round(4).reshape(len(SIZES), REPEATS).tolist()
    return {"dice": dict(zip(map(str, SIZES), means, strict=True)), "seconds": round(seconds, 2)}


def main(folder: Path, asked: Sequence[str]) -> None:
    """Compute the arms that are not in RESULTS yet; with names, only those."""
    arms = {name: arm for name, arm in (FEATURES | LEARNERS).items() if not asked or name in asked}
    if importlib.util.find_spec("lightgbm") is None or importlib.util.find_spec("sklearn") is None:
        arms = {name: arm for name, arm in arms.items() if arm.learner == "network"}
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    encoder = pretrained.load_encoder()
    if encoder is None:
        raise SystemExit("The study needs the package of pretrained weights.")
    for name, split, side in DATA:
        missing = {key: arm for key, arm in arms.items() if name not in results.get(key, {}).get("sets", {})}
        if not missing:
            continue
        needed = {part for arm in missing.values() for part in arm.parts.split()}
        data = Data.read(folder / name, split, side, encoder, needed)
        for key, arm in missing.items():
            entry = results.setdefault(key, {"arm": asdict(arm), "sets": {}})
            entry["sets"][name] = score(data, arm)
            write_bytes(RESULTS, json.dumps(results, indent=0).encode())
            means = [round(float(np.mean(each)), 3) for each in entry["sets"][name]["dice"].values()]
            print(f"{name:14} {key:45} {means} {entry['sets'][name]['seconds']} s", flush=True)


def table(results: dict[str, Any], names: Sequence[str]) -> str:
    """Mean dice by set and by number of images, of the arms that were run on some set, as Markdown."""
    lines = [
        f"| | {' | '.join(name for name, *_ in DATA)} | {' | '.join(map(str, SIZES))} | mean | seconds |",
        "|---" * (3 + len(DATA) + len(SIZES)) + "|",
    ]
    for name in (name for name in names if name in results):
        sets = results[name]["sets"]
        scores = {key: np.array(list(entry["dice"].values())).mean(axis=1) for key, entry in sets.items()}
        by_set = [f"{scores[key].mean():.3f}"[1:] if key in scores else "" for key, *_ in DATA]
        means = [*np.mean(list(scores.values()), axis=0), np.mean(list(scores.values()))]
        whole = [f"{value:.3f}"[1:] if len(scores) == len(DATA) else "" for value in means]
        seconds = min(entry["seconds"] for entry in sets.values())
        cells = [name.removeprefix("learner: "), *by_set, *whole, f"{seconds:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def report() -> None:
    """Put the tables of RESULTS into PAGE, each below the line that names it."""
    results, text = json.loads(RESULTS.read_text()), PAGE.read_text()
    for mark, names in (("features", list(FEATURES)), ("learners", [BASE, *LEARNERS])):
        before, after = text.split(f"<!-- {mark} -->\n")[0], text.split(f"<!-- end of {mark} -->")[1]
        text = f"{before}<!-- {mark} -->\n{table(results, names)}<!-- end of {mark} -->{after}"
    write_bytes(PAGE, text.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
    report()
