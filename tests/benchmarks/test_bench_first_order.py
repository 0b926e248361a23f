"""How long a lab waits for the first order after it has connected a project, in a real Label Studio."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from backend.demo.server import LabelStudioServer
from tests.benchmarks.test_bench_live import make_cells
from tests.projects import new_project
from tests.stack import connect, running_stack

SIZE = 256
"""Pixels of an image."""


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [24, 100, 1000])
def test_the_first_order(label_studio: LabelStudioServer, tmp_path: Path, count: int) -> None:
    """From connecting to the order that Label Studio serves, its libraries loaded and its features computed
    anew. Nothing is labelled."""
    cells = make_cells(label_studio.files / f"first-{count}", count, SIZE)
    with running_stack(label_studio, tmp_path) as stack:
        project = new_project(stack, cells, count=count, title=f"First order, {count} images")
        started = time.perf_counter()
        connect(stack, project)
        state = stack.wait_for_round(project.id, cold=True, seconds=900)
        print(
            f"\n{count} images of {SIZE} pixels: first order of {state['round']['tasks']} after"
            f" {time.perf_counter() - started:.0f} s (load {os.getloadavg()[0]:.0f})"
        )
