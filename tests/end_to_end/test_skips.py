"""Skipped images: a batch does not wait for them, and they stand apart with a way back."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from backend.labelstudio.order import priorities
from backend.queue import project_jobs
from backend.queue.connection import connection
from backend.queue.pending_work import Work
from tests.annotator import Annotator, no_training
from tests.cells import CellProject
from tests.shell import shell
from tests.stack import Stack, connect

pytestmark = pytest.mark.timeout(900)


def served(annotator: Annotator, project: CellProject) -> int:
    task = annotator.next(project.id)
    assert task is not None
    return int(task["id"])


def test_nobody_waits_for_skipped_images(
    stack: Stack, make_project: Callable[..., CellProject], annotators: list[Annotator]
) -> None:
    """What everyone has skipped is done with;
    and a new order comes after as many labels as were asked for, whatever others skipped."""
    alone, second = annotators
    project = make_project(11)
    connect(stack, project)
    stack.wait_for_round(project.id, cold=True)
    alone.label(project, 3)
    state = stack.wait_for_round(project.id)
    skipped, other = (task["task"] for task in state["next_tasks"] if task["in_batch"])

    assert served(alone, project) == skipped
    alone.skip(skipped)
    for _ in range(2):  # it does not come back with the next look
        state = stack.sync(project)
        assert state["next_tasks"][0]["task"] == other
        assert (state["skipped"]["count"], state["skipped"]["tasks"]) == (1, [skipped])
    with no_training(project.id):
        assert served(alone, project) == other
        alone.submit(other, project.regions(other))
    state = stack.wait_for_round(project.id, other_than=state["round"]["name"])
    assert state["round"]["reason"] == "the batch is finished"
    assert skipped not in [task["task"] for task in state["next_tasks"]]
    assert priorities.order(stack.client, project.id)[-1].task_id == skipped  # for whoever joins

    # A second annotator skips the first one; it is served to the other, who labels other images.
    first = state["next_tasks"][0]["task"]
    second.skip(first)
    state = stack.sync(project)
    assert (state["next_tasks"][0]["task"], state["next_tasks"][0]["served_to"]) == (first, 1)
    assert state["skipped"]["count"] == 0  # the one of before is for the second annotator now
    with no_training(project.id):
        for place in state["next_tasks"][2:4]:
            second.submit(place["task"], project.regions(place["task"]))
    state = stack.wait_for_round(project.id, other_than=state["round"]["name"])
    assert state["round"]["reason"].startswith("2 labels ")


def test_an_annotator_who_skips_everything(
    stack: Stack, make_project: Callable[..., CellProject], annotators: list[Annotator]
) -> None:
    """Doctor says so, and the command that it names puts the images back, but for one on which somebody had
    drawn."""
    annotator = annotators[0]
    project = make_project(4)
    connect(stack, project)
    name = stack.wait_for_round(project.id, cold=True)["round"]["name"]
    tasks = [place.task_id for place in priorities.order(stack.client, project.id)]
    drawn = project.regions(tasks[3])
    annotator.skip(tasks[0])
    annotator.skip(tasks[1], [{**region, "origin": "prediction"} for region in drawn])  # what the model drew
    annotator.skip(tasks[2])
    annotator.skip(tasks[3], [{**region, "origin": "manual"} for region in drawn])
    assert annotator.next(project.id) is None
    state = stack.sync(project)
    assert (state["next_tasks"], state["skipped"]["tasks"]) == ([], sorted(tasks))
    assert not project_jobs.active(
        connection(), project.id, Work.ROUND
    )  # there is nothing to wait for, nor to order

    told = doctor(project)
    assert told["severity"] == "warning"
    assert "all 4 open images" in told["text"]
    answer = shell(f"{told['remedy'].partition(' (')[0]} --yes --wait")
    assert answer.exit_code == 0, answer.output
    assert f"tasks {', '.join(map(str, sorted(tasks[:3])))} will be served" in answer.stdout
    assert f"task {tasks[3]} stays skipped" in answer.stdout
    assert served(annotator, project) == tasks[0]
    (kept,) = annotator.http.get(f"/api/tasks/{tasks[3]}/").raise_for_status().json()["annotations"]
    assert (kept["was_cancelled"], kept["result"][0]["value"]) == (True, drawn[0]["value"])
    state = stack.sync(project)
    assert ([place["task"] for place in state["next_tasks"]], state["skipped"]["tasks"]) == (
        tasks[:3],
        [tasks[3]],
    )
    assert (state["round"]["name"], state["labels"]["waiting"], state["version"]) == (name, 0, None)
    for setting in ("REQUEUE_FOR_ME", "IGNORE_SKIPPED"):  # an image that is skipped for now is one under each
        stack.http.patch(f"/api/projects/{project.id}", json={"skip_queue": setting}).raise_for_status()
        told = stack.sync(project)["skipped"]
        assert told == {"count": 1, "tasks": [tasks[3]], "queue": setting, "people": 1}
    assert doctor(project)["severity"] == "ok"


def doctor(project: CellProject) -> dict[str, str]:
    """What it finds about skips."""
    content = json.loads(shell(f"python -m backend doctor --project {project.id} --json").stdout)
    (found,) = (each for each in content["projects"][str(project.id)] if each["subject"] == "skips")
    return dict(found)
