"""How a round grows with the number of images, as a picture:
`python -m tests.benchmarks.growth_plot figures.jsonl picture.png`, where each line of the file is what
`python -m tests.benchmarks.test_bench_pixel_similarity N` prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

LINES = {"herding_cpu_s": "herding", "order_cpu_s": "task_dependent, by pixels"}
MEMORY = {"herding_mb": "herding", "peak_mb": "task_dependent, by pixels"}


def plot(figures: list[dict[str, float]], path: Path) -> None:
    """Processor seconds and peak memory by the number of images."""
    plane, (seconds, memory) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for name, label in LINES.items():
        known = [each for each in figures if name in each]
        seconds.loglog([each["images"] for each in known], [each[name] for each in known], "o-", label=label)
    seconds.set_ylabel("processor seconds of one core")
    for name, label in MEMORY.items():
        known = [each for each in figures if name in each]
        used = [each[name] / 1024 for each in known]
        memory.semilogx([each["images"] for each in known], used, "o-", label=label)
    memory.set_ylabel("peak memory, GiB")
    memory.set_ylim(bottom=0)
    for axes in (seconds, memory):
        axes.set_xlabel("images")
        axes.grid(alpha=0.3)
        axes.legend()
    plane.savefig(path, dpi=110)


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text().splitlines()
    plot([json.loads(line) for line in lines if line.strip()], Path(sys.argv[2]))
