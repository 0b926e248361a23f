"""How long it takes from a submitted label to the order that was renewed by it, in a real Label Studio."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from backend.demo import generator
from backend.demo.server import LabelStudioServer
from backend.jobs.round import features
from backend.queue import pending_work, project_jobs
from backend.queue.connection import Keys, connection
from backend.queue.pending_work import Work
from backend.queue.project_info import ProjectInfo
from model.data.pool import scan
from tests.annotator import Annotator
from tests.benchmarks.measures import processor_seconds
from tests.cells import CellProject, Cells
from tests.projects import new_project
from tests.stack import Stack, connect, running_stack

SIZES = {24: 256, 100: 256, 1000: 128, 10_000: 48}
"""Pixels of an image, by their number: of 10,000 large ones the features alone would take hours."""
LABELS = 4


@pytest.mark.benchmark
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("count", SIZES)
def test_from_a_label_to_the_order(label_studio: LabelStudioServer, tmp_path: Path, count: int) -> None:
    """Aim, on two idle cores and with the features at hand: 10 s at 100 images, 60 s at 1,000, 10 minutes at
    10,000. The next images come in the new order, with masks; the U-Net is trained meanwhile."""
    cells = make_cells(label_studio.files / f"bench-{count}", count)
    with running_stack(label_studio, tmp_path, threads=None) as stack:
        project = new_project(stack, cells, count=count, title=f"Benchmark, {count} images")
        started = time.perf_counter()
        connect(stack, project)
        extra = {"live": True, "folds": 3, "budget": 5, "recipe": {"max_side": SIZES[count]}}
        stack.configure(project, **extra, strategy=os.environ.get("BENCH_STRATEGY", "herding"))
        name = wait_for_other(stack, project, "")
        ordered = time.perf_counter() - started
        wait_for_features(stack, project)
        print(
            f"\n{count} images of {SIZES[count]} pixels: the first order after {ordered:.0f} s, all features"
            f" after {time.perf_counter() - started:.0f} s",
            flush=True,
        )
        name = settle(stack, project)
        annotator = Annotator(stack, label_studio.admin)
        for number in range(1, LABELS + 1):
            task = annotator.next(project.id)
            assert task is not None
            regions, spent, started = project.regions(task["id"]), theirs(stack), time.perf_counter()
            annotator.submit(task["id"], regions)
            submitted = time.perf_counter() - started
            name = wait_for_other(stack, project, name)
            seconds = time.perf_counter() - started
            spent = theirs(stack) - spent
            following = annotator.next(project.id)
            assert following is not None
            masked = bool(following["predictions"][0]["result"])
            print(
                f"label {number}: submit {submitted:.2f} s, order after {seconds:.1f} s, next image"
                f" {'with' if masked else 'WITHOUT'} a mask; {spent:.1f} s of Label Studio's processor time",
                flush=True,
            )
        for log in sorted(stack.logs.glob("*.log")):
            for line in log.read_text().splitlines():
                if (
                    "] labels " in line
                    or ": labels " in line
                    or "writing" in line
                    or "processor time" in line
                ):
                    print(line[-220:])


def theirs(stack: Stack) -> float:
    """Processor seconds that Label Studio has taken."""
    return processor_seconds([psutil.Process(pid) for pid in stack.server.pids])


def wait_for_features(stack: Stack, project: CellProject) -> None:
    def all_there() -> bool:
        keys = connection().scan_iter(Keys(project.id).features("*"))
        return any(connection().hexists(key, features.DONE) for key in keys)

    stack.wait(all_there, "the features", seconds=5000)
    time.sleep(3)  # what that started


def settle(stack: Stack, project: CellProject) -> str:
    """The name of the order in force, once no live turn is wanted or runs."""

    def settled() -> str:
        wanted = pending_work.pending(connection(), project.id, Work.LIVE).outstanding
        return "" if wanted or project_jobs.active(connection(), project.id, Work.LIVE) else in_force(project)

    return str(stack.wait(settled, "the live turns to end", seconds=900))


def in_force(project: CellProject) -> str:
    """The name of the order in force, "" before the first."""
    return ProjectInfo.load(connection(), project.id).round or ""


def wait_for_other(stack: Stack, project: CellProject, before: str) -> str:
    """The name of the order that comes in place of this one."""

    def other() -> str:
        name = in_force(project)
        return name if name != before else ""

    return str(stack.wait(other, "another order", seconds=1800))


def make_cells(folder: Path, count: int, size: int | None = None) -> Cells:
    """Cuttings of generated images of axons of several appearances, and their masks; `size` in pixels."""
    random, size = np.random.default_rng(0), size or SIZES[count]
    sources = list(generator.generate(24, size=384))
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        source = sources[number % len(sources)]
        top, left = random.integers(0, 384 - size, 2)
        part = np.s_[top : top + size, left : left + size]
        Image.fromarray(source.image[part]).save(folder / "images" / f"{number:05}.png")
        Image.fromarray(source.mask[part].astype(np.uint8) * 255).save(folder / "masks" / f"{number:05}.png")
    return Cells(folder / "images", scan(folder / "images", folder / "masks"))
