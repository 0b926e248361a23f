"""Memory and disk of a large round beside its networks: pseudo-labels, the similarity and the order;
in a process of its own.

`pytest -m benchmark -s tests/benchmarks/test_bench_pool.py` prints it; one pool alone:
`python -m tests.benchmarks.test_bench_pool N`.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.arrays import Image, Mask
from model.network.pseudo_labels import CACHE_BYTES, PseudoLabels
from model.network.recipe import Recipe
from model.similarity.round import Round
from model.strategies.task_dependent import TaskDependent
from tests.benchmarks.measures import peak_mb

ROOT = Path(__file__).resolve().parents[2]
SIDE, GROUPS, BUDGET = 512, 6, 20
MOST_MB = 2500.0  # at 10,000 images, libraries included


def cells(number: int) -> Mask:
    """About 25 discs of 8 to 24 pixels radius, as many shapes as a mask of nuclei has."""
    random = np.random.default_rng(number)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    rows, columns = np.ogrid[:SIDE, :SIDE]
    for row, column, radius in zip(*random.uniform(0, SIDE, (2, 25)), random.uniform(8, 24, 25), strict=True):
        mask[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = 1
    return mask


def measure(count: int, folder: Path) -> dict[str, Any]:
    """Write and read the pseudo-labels of `count` images, and rank them with rows as 16 networks would
    give."""
    ids = [f"{number:05d}" for number in range(count)]
    some = [cells(number) for number in range(40)]

    def masks() -> Iterator[Mask]:
        for number in range(count):
            yield np.roll(some[number % 40], (number * 7 % SIDE, number * 13 % SIDE), (0, 1))

    image: Image = np.zeros((SIDE, SIDE, 3), np.float32)
    digests = dict.fromkeys(ids, "")
    round_ = Round(
        dict.fromkeys(ids, image),
        {ids[n]: some[n] for n in range(3)},
        2,
        Recipe(),
        0,
        folder,
        image_digests=digests,
    )
    figures: dict[str, Any] = {"images": count, "before_mb": peak_mb()}
    path, start = folder / "pseudo-labels.npz", time.monotonic()
    PseudoLabels.write(path, round_.identity_with_images, ids, masks())
    figures |= {"file_mb": path.stat().st_size / 2**20, "write_ms": (time.monotonic() - start) / count * 1e3}
    start = time.monotonic()
    assert sum(int(round_.pseudo_labels[identity].any()) for identity in ids) == count
    figures |= {"read_ms": (time.monotonic() - start) / count * 1e3, "masks_mb": peak_mb()}
    strategy, random = TaskDependent("unet"), np.random.default_rng(0)
    group, mean = (
        random.integers(0, GROUPS, count),
        random.uniform(0.1, 0.6, (GROUPS, GROUPS)) + 0.3 * np.eye(GROUPS),
    )
    for k in strategy.units(round_):
        row = np.clip(mean[group[ids.index(k)]][group] + random.normal(0, 0.05, count), 0, 1)
        strategy.kept_rows(round_).put(k, dict(zip(ids, row.tolist(), strict=True)))
    start = time.monotonic()
    assert len(strategy.rank(round_, BUDGET).queries) == count - 3
    return figures | {"rank_s": time.monotonic() - start, "peak_mb": peak_mb()}


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_memory_of_a_round_is_bounded() -> None:
    """Ten thousand images of 512 x 512 fit into 2.5 GB; their masks as arrays alone would take 2.6."""
    for count in (2000, 10_000):
        command = [sys.executable, "-m", "tests.benchmarks.test_bench_pool", str(count)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        figures = json.loads(done.stdout.splitlines()[-1])
        print(", ".join(f"{name} {value:.1f}" for name, value in figures.items()), flush=True)
        assert figures["masks_mb"] - figures["before_mb"] < CACHE_BYTES / 2**20 + 200
        assert figures["peak_mb"] < MOST_MB


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(measure(int(sys.argv[1]), Path(temporary))))
