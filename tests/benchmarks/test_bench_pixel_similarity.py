"""A round by pixel classifiers, features kept already: seconds of its parts and peak memory by the number of
images; and a row against that of a U-Net and against networks trained one after the other.

`pytest -m benchmark -s tests/benchmarks/test_bench_pixel_similarity.py` prints them; one pool alone:
`python -m tests.benchmarks.test_bench_pixel_similarity N`; with a second number, larger pools are only put in
order by herding.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from model.arrays import Mask
from model.network.recipe import Recipe
from model.pixels import Pixels, PixelSample, train_networks
from model.similarity import train_row
from model.similarity.pixel_similarity import BATCH, HIDDEN, STEPS, compare_pixels
from model.similarity.round import Round
from model.similarity.rows import row_seed
from model.strategies.herding import Herding
from model.strategies.task_dependent import TaskDependent
from tests.benchmarks.measures import peak_mb
from tests.model.conftest import blobs

ROOT = Path(__file__).resolve().parents[2]
SIDE, DRAWN = 96, 40
LABELLED = 5
MOST_MB = 2500.0  # at 10,000 images, libraries included
LEAST_RATIO = 30  # times cheaper than a row by a U-Net


@dataclass
class GeneratedRound(Round):
    """A round of as many images as wanted: discs of DRAWN images in as many lights as there are images.

    Samples are read from the folder like those of any round, and lit then, which keeps the disk small.
    """

    def sample(self, identity: str, mask: Mask | None = None) -> PixelSample:
        """The kept sample of the image that this one is made from, in a light of its own."""
        number = int(identity)
        base = self.features.sample(
            f"{number % DRAWN}", lambda: self.drawn[number % DRAWN], mask, size=(SIDE, SIDE)
        )
        random = np.random.default_rng(number)
        gain, offset = 1 + random.normal(0, 0.3), random.normal(0, 1.0)
        values = base.values.astype(np.float32)  # in which arithmetic is ten times faster
        values *= np.float32(gain)
        values += np.float32(offset)
        lit = values.astype(np.float16)
        return PixelSample(
            base.positions, lit, base.mean * gain + offset, base.deviation * abs(gain), base.size
        )

    def vector(self, identity: str) -> npt.NDArray[np.float32]:
        """Of this light."""
        sample = self.sample(identity)
        return np.concatenate([sample.mean, sample.deviation])

    @cached_property
    def drawn(self) -> list[Any]:
        """Images of discs."""
        return [blobs(number, side=SIDE, bright=number % 3 != 2)[0] for number in range(DRAWN)]


def generate(count: int, folder: Path) -> GeneratedRound:
    """A round whose features are there."""
    ids = [f"{number:05d}" for number in range(count)]
    labels = {ids[n]: blobs(n % DRAWN, side=SIDE, bright=n % DRAWN % 3 != 2)[1] for n in range(LABELLED)}
    image = np.zeros((1, 1, 3), np.float32)
    round_ = GeneratedRound(dict.fromkeys(ids, image), labels, 2, Recipe(max_side=SIDE), 0, folder)
    for identity in ids[:DRAWN]:
        round_.sample(identity, labels.get(identity))
    return GeneratedRound(round_.images, labels, 2, round_.recipe, 0, folder)


def measure(count: int, folder: Path, most_compared: int = 10_000) -> dict[str, Any]:
    """Seconds of the order of `count` images, of its parts, and the memory; of more than `most_compared`
    images only that of herding."""
    round_ = generate(count, folder)
    figures: dict[str, Any] = {"images": count, "threads": torch.get_num_threads(), "before_mb": peak_mb()}
    start, processor = time.monotonic(), time.process_time()
    herded = Herding().rank(GeneratedRound(round_.images, round_.labels, 2, round_.recipe, 0, folder), 5)
    assert len(herded.queries) == count - LABELLED
    figures |= {"herding_s": time.monotonic() - start, "herding_cpu_s": time.process_time() - processor}
    figures |= {"herding_mb": peak_mb()}
    if count > most_compared:
        return figures
    start, processor = time.monotonic(), time.process_time()
    found = compare_pixels(round_)
    figures |= {"compare_s": time.monotonic() - start, "compare_cpu_s": time.process_time() - processor}
    figures |= {"networks": len(found.trained), "compare_mb": peak_mb()}
    del found
    start, processor = time.monotonic(), time.process_time()
    ranking = TaskDependent().rank(
        GeneratedRound(round_.images, round_.labels, 2, round_.recipe, 0, folder), 5
    )
    figures |= {"order_s": time.monotonic() - start, "order_cpu_s": time.process_time() - processor}
    assert len(ranking.queries) == count - LABELLED
    return figures | {"peak_mb": peak_mb()}


def show(figures: dict[str, Any]) -> None:
    """One line."""
    print(", ".join(f"{name} {value:.4g}" for name, value in figures.items()), flush=True)


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
def test_memory_of_a_round_by_pixels_is_bounded() -> None:
    """Ten thousand images fit into 2.5 GB."""
    for count in (42, 100, 1000, 10_000):
        command = [sys.executable, "-m", "tests.benchmarks.test_bench_pixel_similarity", str(count)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        figures = json.loads(done.stdout.splitlines()[-1])
        show(figures)
        assert figures["peak_mb"] < MOST_MB


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
def test_a_row_costs_a_small_part_of_a_row_by_a_unet(tmp_path: Path) -> None:
    """Processor seconds of a row of 42: of a U-Net at the default recipe, of a pixel classifier alone,
    and of one among all trained together."""
    count = 42
    drawn = [blobs(number, side=SIDE, bright=number % 3 != 2) for number in range(count)]
    images = {f"{number:05d}": image for number, (image, _) in enumerate(drawn)}
    labels = {f"{number:05d}": mask for number, (_, mask) in enumerate(drawn)}
    unet = Round(images, labels, 2, Recipe(max_side=SIDE), 0, tmp_path)
    start = time.process_time()
    train_row(unet, "00000", labels)
    unet_s = time.process_time() - start

    round_ = generate(count, tmp_path / "generated")
    _ = round_.pixel_model
    start = time.process_time()
    compare_pixels(round_)
    together_s = (time.process_time() - start) / count

    samples = [round_.sample(i) for i in round_.ids[:5]]
    start = time.process_time()
    for number, sample in enumerate(samples):
        train_networks(
            [Pixels(round_.pixels.scale.apply(sample.values), round_.pixel_model.classify(sample))],
            [row_seed(0, f"{number:05d}")],
            classes=2,
            hidden=HIDDEN,
            steps=STEPS,
            batch=BATCH,
        )
    alone_s = (time.process_time() - start) / len(samples)
    show({"unet_s": unet_s, "alone_s": alone_s, "together_s": together_s, "ratio": unet_s / together_s})
    assert unet_s > LEAST_RATIO * together_s


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(measure(int(sys.argv[1]), Path(temporary), *map(int, sys.argv[2:]))))
