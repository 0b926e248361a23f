"""Strategies that choose by pixel features, in pools of 1,000 and 10,000 generated images whose features are
kept already: seconds of the order, and peak memory.

`pytest -m benchmark -s tests/benchmarks/test_bench_strategies.py` prints them; one alone:
`python -m tests.benchmarks.test_bench_strategies N STRATEGY [OPTION=VALUE]`.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from model.strategies import get_strategy
from tests.benchmarks.measures import peak_mb
from tests.benchmarks.test_bench_pixel_similarity import LABELLED, ROOT, generate, show

MOST_MB = 2500.0  # libraries included
ARMS = ("herding", "herding uncertainty=reverse_accuracy", "influence", "error_reduction")


def measure(count: int, name: str, options: dict[str, str], folder: Path) -> dict[str, Any]:
    """Seconds of the order of `count` images with 5 labels, and the memory."""
    round_ = generate(count, folder)
    figures: dict[str, Any] = {"images": count, "threads": torch.get_num_threads(), "before_mb": peak_mb()}
    start, processor = time.monotonic(), time.process_time()
    for _ in round_.pixels.samples():
        pass
    figures |= {"read_s": time.monotonic() - start, "read_cpu_s": time.process_time() - processor}
    start, processor = time.monotonic(), time.process_time()
    ranking = get_strategy(name, **options).rank(round_, 5)
    figures |= {"order_s": time.monotonic() - start, "order_cpu_s": time.process_time() - processor}
    assert len(ranking.queries) == count - LABELLED
    return figures | {"peak_mb": peak_mb()}


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("count", [1000, 10_000])
def test_memory_of_an_order_is_bounded(arm: str, count: int) -> None:
    """Whatever the number of images: no matrix of all pairs."""
    command = [sys.executable, "-m", "tests.benchmarks.test_bench_strategies", str(count), *arm.split()]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    figures = json.loads(done.stdout.splitlines()[-1])
    print(arm, end=": ")
    show(figures)
    assert figures["peak_mb"] < MOST_MB


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        given = dict(each.split("=") for each in sys.argv[3:])
        print(json.dumps(measure(int(sys.argv[1]), sys.argv[2], given, Path(temporary))))
