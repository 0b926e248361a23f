"""How much memory a process takes for one image, and for one label, however large it is;
figures in docs/benchmarks.md.

Each case is a process of its own: `python -m tests.benchmarks.test_bench_memory KIND SIDE` is one of them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import pytest

from tests.large_images import CONFIG, FILES, LABELS, POLYGONS

CASES = [
    ("PNG, gray", 13_000),
    ("PNG, gray", 20_000),
    *((kind, 8_000) for kind in FILES),
    *((kind, 8_000) for kind in LABELS),
]


def measure(kind: str, side: int) -> str:
    """What /predict and a round do with an image, or a round with a label; whatever is refused is told."""
    import torch

    import backend.jobs.entry_points  # all that a worker imports
    from backend.errors import TaskImageError
    from backend.jobs.masks.pre_annotation import PreAnnotator
    from backend.labelstudio.images import require_size
    from backend.labelstudio.labels.config import parse
    from backend.labelstudio.labels.regions import draw_regions
    from backend.settings import read_settings
    from model.data.images.header import MAX_PIXELS
    from model.data.masks.class_ids import resize_mask
    from model.data.masks.small_objects import count_losses
    from model.network.checkpoint import TrainedModel
    from model.network.recipe import Recipe
    from model.network.unet import build_network
    from tests.peak_memory import peak_bytes, process_peak

    del backend
    config = parse(CONFIG)
    said = ""
    if kind in FILES:
        data = FILES[kind](side)
        try:
            require_size(data, 1, read_settings().most_pixels)
        except TaskImageError as error:
            said = f"refused by default: {error}"
        try:
            require_size(data, 1, MAX_PIXELS)
        except TaskImageError:
            return f"{kind}, {side}: {said}"
        recipe = Recipe(width=16)
        torch.manual_seed(0)
        networks = [
            PreAnnotator(
                TrainedModel(build_network(recipe.encoder, 3, width=16, depth=4).eval(), 3, recipe, {}),
                each.labels,
                each,
            )
            for each in (config, parse(POLYGONS))
        ]
        torch.set_num_threads(2)
        works: list[Callable[[], object]] = [partial(each.regions, data, "x") for each in networks]
    else:
        regions = LABELS[kind](side)

        def read() -> None:
            mask = draw_regions(regions, config, (side, side)).mask
            resize_mask(mask, (512, 512))
            count_losses(mask, 512)

        works = [read]
    found = []
    for work in works:
        started = time.monotonic()
        more = peak_bytes(work)
        found.append(
            f"{process_peak() / 1e9:.2f} GB, {more / 1e6:.0f} MB of them for it,"
            f" {time.monotonic() - started:.1f} s"
        )
    return f"{kind}, {side}: {' / polygons '.join(found)} {said}"


@pytest.mark.benchmark
@pytest.mark.parametrize(("kind", "side"), CASES)
def test_memory_of_one_image_or_label(kind: str, side: int) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.test_bench_memory", kind, str(side)]
    print("\n" + subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


if __name__ == "__main__":
    print(measure(sys.argv[1], int(sys.argv[2])))
