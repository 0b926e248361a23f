"""How long it takes from a submitted label to the order that was renewed by it, in a real Label Studio."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.demo import generator
from backend.demo.server import LabelStudioServer
from backend.queue.connection import Keys, connection
from model.data.pool import scan
from tests.cells import CellProject, Cells
from tests.stack import Annotator, Stack, connect, new_project, running_stack

SIZE = 256
LABELS = 4


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [24, 1000])
def test_from_a_label_to_the_order(label_studio: LabelStudioServer, tmp_path: Path, count: int) -> None:
    """Aim, on two idle cores and with the features at hand: 10 s at 100 images, 60 s at 1,000.
    The order is switched, and its next images carry masks; the U-Net is trained meanwhile."""
    cells = make_cells(label_studio.files / f"bench-{count}", count)
    with running_stack(label_studio, tmp_path) as stack:
        project = new_project(stack, cells, count=count, title=f"Benchmark, {count} images")
        started = time.perf_counter()
        connect(stack, project)
        stack.configure(project, live=True, folds=3, budget=5, recipe={"max_side": SIZE})
        first = stack.wait_for_round(project.id, cold=True, seconds=900)
        ordered = time.perf_counter() - started
        wait_for_features(stack, project)
        print(
            f"\n{count} images of {SIZE} pixels: the first order after {ordered:.0f} s, all features after"
            f" {time.perf_counter() - started:.0f} s"
        )
        annotator, name = Annotator(stack, label_studio.admin), first["round"]["name"]
        for number in range(1, LABELS + 1):
            task = annotator.next(project.id)
            assert task is not None
            started = time.perf_counter()
            annotator.submit(task["id"], project.regions(task["id"]))
            submitted = time.perf_counter() - started
            name = wait_for_other(stack, project, name)
            seconds = time.perf_counter() - started
            following = annotator.next(project.id)
            assert following is not None
            masked = bool(following["predictions"][0]["result"])
            print(
                f"label {number}: submit {submitted:.2f} s, order after {seconds:.1f} s, next image"
                f" {'with' if masked else 'WITHOUT'} a mask"
            )


def wait_for_features(stack: Stack, project: CellProject) -> None:
    stack.wait(lambda: connection().get(Keys(project.id).features_done), "the features", seconds=3000)
    time.sleep(3)  # what that started


def wait_for_other(stack: Stack, project: CellProject, before: str) -> str:
    """The name of the order that Label Studio serves in place of this one."""

    def served() -> str:
        name = stack.client.project(project.id).model_version
        return name if name != before else ""

    return str(stack.wait(served, "another order", seconds=900))


def make_cells(folder: Path, count: int) -> Cells:
    """Cuttings of generated images of axons of several appearances, and their masks."""
    random = np.random.default_rng(0)
    sources = list(generator.generate(24, size=384))
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        source = sources[number % len(sources)]
        top, left = random.integers(0, 384 - SIZE, 2)
        part = np.s_[top : top + SIZE, left : left + SIZE]
        Image.fromarray(source.image[part]).save(folder / "images" / f"{number:05}.png")
        Image.fromarray(source.mask[part].astype(np.uint8) * 255).save(folder / "masks" / f"{number:05}.png")
    return Cells(folder / "images", scan(folder / "images", folder / "masks"))
