"""What a live turn costs where many images are labelled already, in a real Label Studio."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from backend.demo.server import LabelStudioServer
from backend.project.context import open_context
from backend.project.labels.kept_labels import KeptLabels
from backend.project.labels.labels import read_labels
from backend.queue.connection import connection
from backend.queue.project_info import ProjectInfo
from tests.annotator import Annotator, no_training
from tests.benchmarks.test_bench_live import make_cells, settle, theirs, wait_for_features, wait_for_other
from tests.projects import new_project
from tests.stack import Stack, connect, running_stack

SIZE = 256
"""Pixels of an image."""
OPEN = 40
"""Images that are not labelled."""
TURNS = 3


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [24, 100, 500])
def test_turns_with_many_labels(label_studio: LabelStudioServer, tmp_path: Path, count: int) -> None:
    """Processor seconds of the turns after the next labels; no U-Net is trained meanwhile."""
    cells = make_cells(label_studio.files / f"many-{count}", count + OPEN, SIZE)
    with running_stack(label_studio, tmp_path) as stack:
        project = new_project(stack, cells, count=count + OPEN, title=f"{count} labels", labelled=count)
        annotator = Annotator(stack, label_studio.admin)
        with no_training(project.id):
            connect(stack, project)
            stack.configure(project, live=True, folds=3, strategy="herding", recipe={"max_side": SIZE})
            wait_for_features(stack, project)
            settle(stack, project)
            for turn in range(1, TURNS + 1):
                name, spent = ProjectInfo.load(connection(), project.id).round or "", theirs(stack)
                following = annotator.next(project.id)
                assert following is not None
                annotator.submit(following["id"], project.regions(following["id"]))
                wait_for_other(stack, project, name)
                settle(stack, project)
                print(
                    f"\n{count} labels, turn {turn}: {turns(stack)[-1]:.1f} s of processor time,"
                    f" {theirs(stack) - spent:.1f} s of Label Studio's",
                    flush=True,
                )


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [24, 100, 500])
def test_reading_many_labels(label_studio: LabelStudioServer, tmp_path: Path, count: int) -> None:
    """Processor seconds of reading all labels, and of what a turn reads after one more."""
    cells = make_cells(label_studio.files / f"reading-{count}", count + 1, SIZE)
    with running_stack(label_studio, tmp_path) as stack:
        project = new_project(stack, cells, count=count + 1, title=f"Reading {count}", labelled=count)
        context = open_context(project.id)
        setup = context.setup()

        def read(what: str, *, again: bool) -> None:
            kept = KeptLabels.of(context, setup)
            spent, served = time.process_time(), theirs(stack)
            found = read_labels(context, setup, lambda *_: None, kept=kept if again else None)
            spent, served = time.process_time() - spent, theirs(stack) - served
            kept.save()
            print(f"\n{len(found.masks)} labels, {what}: {spent:.2f} s, Label Studio {served:.2f} s", end="")

        read("the first time", again=True)
        read("all again", again=False)
        task = max(project.names)
        Annotator(stack, label_studio.admin).submit(task, project.regions(task))
        read("one more", again=True)
        read("none more", again=True)


def turns(stack: Stack) -> list[float]:
    """Processor seconds of the live turns so far, as the log says."""
    logs = "".join(log.read_text() for log in stack.logs.glob("*.log"))
    return [float(seconds) for seconds in re.findall(r"live turn: .*; (\S+) s of processor time", logs)]
