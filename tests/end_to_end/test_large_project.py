"""A project of so many tasks that only the next ones hold a mask: masks follow the annotators."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import from_mask
from backend.queue.connection import Keys, connection
from model.data.pool import Pool
from tests.annotator import Annotator
from tests.cells import CellProject
from tests.service.conftest import picture, publish_version
from tests.stack import Stack, connect, order

TASKS = 520


@pytest.fixture
def large(stack: Stack) -> Iterator[CellProject]:
    """Tasks with small images, and a model that knows them;
    it is gone afterwards, so that nobody looks at it any more."""
    client = stack.http
    body = {"title": "Large", "label_config": EXAMPLE, "maximum_annotations": 1}
    project = int(client.post("/api/projects", json=body).raise_for_status().json()["id"])
    images = [
        f"data:image/png;base64,{base64.b64encode(picture(number)[0]).decode()}" for number in range(20)
    ]
    tasks = [{"data": {"image": images[number % len(images)]}} for number in range(TASKS)]
    client.post(f"/api/projects/{project}/import", json=tasks).raise_for_status()
    publish_version(stack.settings.model_dir, project, steps=150)
    yield CellProject(project, Pool((), (), 2, {}, {}), {})
    client.delete(f"/api/projects/{project}").raise_for_status()


@pytest.mark.timeout(900)
def test_masks_follow_the_annotators(stack: Stack, large: CellProject) -> None:
    """The first 200 in order hold a mask; two labels later two more do, drawn by an ordinary look;
    the places stay."""
    connect(stack, large)
    state = stack.wait_for_round(large.id, cold=True, seconds=600)
    wanted = order(stack, large)
    assert state["round"]["tasks"] == len(wanted) == TASKS
    assert masked(stack, large, state["round"]["name"]) == set(wanted[:200])

    annotator = Annotator(stack, stack.server.admin)
    labelled = wanted[30:32]  # not of the batch, which would bring a new round
    for task in labelled:
        annotator.submit(task, from_mask(picture(0)[1], parse(EXAMPLE)))
    due = set(wanted[:202])
    stack.wait(lambda: due <= drawn(large, state["round"]["name"]), "two more masks")
    assert due >= masked(stack, large, state["round"]["name"]) >= set(wanted[:200])
    assert order(stack, large) == [task for task in wanted if task not in labelled]


def masked(stack: Stack, project: CellProject, round_name: str) -> set[int]:
    """Tasks that hold a mask of the round."""
    return {stored.task_id for stored in stack.client.predictions(project.id, round_name) if stored.regions}


def drawn(project: CellProject, round_name: str) -> set[int]:
    """Tasks whose mask was drawn, also where it shows nothing."""
    return {int(member) for member in connection().smembers(Keys(project.id).drawn(round_name))}
