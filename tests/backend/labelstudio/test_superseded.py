"""Tests of what becomes of the predictions of an order after a newer one, in a real Label Studio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from backend.errors import PriorityError
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.http.answers import Region
from backend.labelstudio.order import round_rows
from backend.labelstudio.order.priorities import add_provisional, in_order, resume, top_up, write_order
from backend.labelstudio.order.round_rows import kept
from backend.labelstudio.order.rounds import Priority
from backend.labelstudio.order.superseded import NAMED, remove, rounds_kept
from tests.backend.labelstudio.conftest import Annotator, Made, MakeProject, add_tasks
from tests.backend.labelstudio.test_priorities import Faulty, Stopped, held, mask_regions, shuffled

Write = Callable[[LabelStudio, Made], None]


def opened_in_the_stream(annotator: Annotator, project: Made) -> tuple[int, int]:
    """A task and the prediction that its page shows, as "Label All Tasks" opens it."""
    task = annotator.client.next_task(project.id)
    assert task is not None
    [prediction] = task["predictions"]
    return int(task["id"]), int(prediction["id"])


def opened_by_a_click(annotator: Annotator, project: Made) -> tuple[int, int]:
    """The same, as a click on the last task in the Data Manager opens it:
    Label Studio notes nothing of it."""
    task = annotator.client.task(project.tasks[-1]) or {}
    version = annotator.client.project(project.id).model_version
    [prediction] = [item for item in task["predictions"] if item["model_version"] == version]
    return int(task["id"]), int(prediction["id"])


def another_order(client: LabelStudio, project: Made) -> None:
    for number in (2, 3):
        write_order(client, project.id, f"v1.r{number}", in_order(project.tasks[::-1]))


def an_order_repeated_after_another_hand(client: LabelStudio, project: Made) -> None:
    """The job was killed after the switch, and then somebody chose another version in Label Studio's
    settings."""
    write_order(client, project.id, "v2.r2", in_order(project.tasks[::-1]))
    client.switch_version(project.id, "v1.r1")
    assert resume(client, project.id, "v2.r2")
    assert write_order(client, project.id, "v2.r2", in_order(project.tasks[::-1])).written == 0


def an_order_that_reads_back_differently(client: LabelStudio, project: Made) -> None:
    with pytest.raises(PriorityError, match="reads back differently"):
        write_order(
            Faulty(client.url, client.access_token(), "scores"),
            project.id,
            "v1.r2",
            in_order(project.tasks[::-1]),
        )
    assert held(client, project.id) == project.tasks


def masks_added(client: LabelStudio, project: Made) -> None:
    top_up(client, project.id, {task: mask_regions(task) for task in project.tasks})


@pytest.mark.parametrize(
    "meanwhile",
    [another_order, an_order_repeated_after_another_hand, an_order_that_reads_back_differently, masks_added],
)
def test_an_open_page_can_be_submitted_whatever_is_written_meanwhile(
    client: LabelStudio, make_project: MakeProject, annotators: list[Annotator], meanwhile: Write
) -> None:
    project = make_project(4)
    write_order(client, project.id, "v1.r1", in_order(project.tasks, {project.tasks[0]: mask_regions()}))
    opened = [opened_in_the_stream(annotators[0], project), opened_by_a_click(annotators[1], project)]
    meanwhile(client, project)
    for annotator, (task, prediction) in zip(annotators, opened, strict=True):
        annotation = annotator.submit(task, mask_regions(7), parent_prediction=prediction)
        saved = annotator.http.get(f"/api/annotations/{annotation}/").raise_for_status().json()
        assert (saved["parent_prediction"], saved["result"]) == (prediction, mask_regions(7))


def test_what_is_opened_during_an_order_that_comes_to_nothing_can_be_submitted(
    client: LabelStudio, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    """It was in force for a moment: read back, it differed."""
    project, opened = make_project(3), []

    class Opening(Faulty):
        def switch_version(self, project_id: int, version: str) -> None:
            super().switch_version(project_id, version)
            opened.append(opened_in_the_stream(annotators[0], project))

    write_order(client, project.id, "v1.r1", in_order(project.tasks))
    with pytest.raises(PriorityError):
        write_order(
            Opening(client.url, client.access_token(), "scores"), project.id, "v1.r2", in_order(project.tasks)
        )
    [(task, prediction)] = opened
    annotators[0].submit(task, [], parent_prediction=prediction)


def test_places_for_new_tasks_that_come_too_late_delete_nothing(
    client: LabelStudio, http: httpx.Client, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    """A new order comes while tasks are added to the one before."""
    project = make_project(2)
    write_order(client, project.id, "v1.r1", in_order(project.tasks))
    task, prediction = opened_in_the_stream(annotators[0], project)
    add_tasks(http, project.id, 1)
    [new] = set(client.task_ids(project.id)) - set(project.tasks)

    class Late(LabelStudio):
        def import_predictions(self, project_id: int, predictions: Any) -> int:
            written = super().import_predictions(project_id, predictions)
            write_order(client, project_id, "v1.r2", in_order(client.task_ids(project_id)))
            return written

    with pytest.raises(PriorityError, match="was replaced"):
        add_provisional(Late(client.url, client.access_token()), project.id, [Priority(new, 0.1)])
    annotators[0].submit(task, [], parent_prediction=prediction)


def test_superseded_orders_go_task_by_task_and_what_labels_name_stays(
    client: LabelStudio, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    """The page of a submitted label names its prediction again at each Update.
    What others imported stays as well."""
    project = make_project(4)
    client.import_predictions(
        project.id,
        [{"task": task, "result": [], "score": 0.5, "model_version": "theirs"} for task in project.tasks],
    )
    names = ("v1.r1", "v1.r2", "v2.r10")
    for name in names:
        write_order(client, project.id, name, in_order(client.task_ids(project.id, "unlabelled")))
        if name == "v1.r1":
            task, prediction = opened_in_the_stream(annotators[0], project)
    label = annotators[0].submit(task, mask_regions(), parent_prediction=prediction)
    assert rounds_kept(client, project.id) == ["v1.r1", "v1.r2", "v2.r10"]
    steps = iter([True, True, False])
    assert remove(client, project.id, ["v1.r1", "v1.r2"], go_on=lambda: next(steps)) == 4
    assert remove(client, project.id, ["v1.r1", "v1.r2"], go_on=lambda: True) == 4
    assert client.versions(project.id) == {"theirs": 4, "v2.r10": 4, NAMED: 1}
    assert rounds_kept(client, project.id) == ["v2.r10"]
    update = {"result": mask_regions(5), "parent_prediction": prediction}
    answer = annotators[0].http.patch(f"/api/annotations/{label}/", json=update)
    assert answer.raise_for_status().json()["result"] == mask_regions(5)


def test_a_task_keeps_only_so_many_predictions_however_often_it_is_ordered(
    client: LabelStudio,
    http: httpx.Client,
    make_project: MakeProject,
    annotators: list[Annotator],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Orders come faster than old ones go:
    the oldest predictions are written over where they are, and what is open stays valid."""
    monkeypatch.setattr(round_rows, "KEPT", 2)
    monkeypatch.setattr(round_rows, "BATCH", 2)
    project = make_project(5)
    client.import_predictions(
        project.id, [{"task": project.tasks[0], "result": [], "score": 0.1, "model_version": "theirs"}] * 3
    )
    write_order(client, project.id, "v1.r1", in_order(project.tasks))
    open_pages = {opened_in_the_stream(annotators[0], project)}
    for number in range(2, 6):
        tasks = shuffled(client.task_ids(project.id, "unlabelled"), number)
        if number == 3:  # fewer predictions than the others have
            add_tasks(http, project.id, 1)
        if number == 5:
            http.delete(f"/api/tasks/{project.tasks[4]}/").raise_for_status()
        wanted = in_order(tasks, {task: mask_regions(number) for task in tasks[:2]})
        write_order(client, project.id, f"v1.r{number}", wanted)
        served = [task for task in tasks if number < 5 or task != project.tasks[4]]
        assert held(client, project.id) == served
        rows = {task: client.task_predictions(task) for task in served}
        shown = {task: [row for row in rows[task] if row.model_version == f"v1.r{number}"] for task in served}
        assert [task for task, [row] in shown.items() if row.regions] == [
            task for task in served if task in tasks[:2]
        ]
        for task in served:
            assert len([row for row in rows[task] if row.model_version != "theirs"]) <= 3
        open_pages.add(opened_in_the_stream(annotators[0], project))
        open_pages.add((served[-1], shown[served[-1]][0].id))
    assert len(client.task_predictions(project.tasks[0])) == 3 + 3
    remaining = client.task_ids(project.id)
    for task, prediction in sorted(open_pages):
        if task in remaining:
            annotators[0].submit(task, mask_regions(), parent_prediction=prediction)


def test_a_write_over_old_predictions_that_is_stopped_goes_on_where_it_was(
    client: LabelStudio, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is deleted of what may be open, whether the job is killed, or its regions are refused."""
    monkeypatch.setattr(round_rows, "KEPT", 2)
    monkeypatch.setattr(round_rows, "BATCH", 2)
    project = make_project(5)
    for number in (1, 2, 3):
        write_order(client, project.id, f"v1.r{number}", in_order(project.tasks))
    ids = {row.id for task in project.tasks for row in client.task_predictions(task)}

    def stop(step: str) -> None:
        if step == "writing":
            raise Stopped

    with pytest.raises(Stopped):
        write_order(client, project.id, "v1.r4", in_order(project.tasks[::-1]), checkpoint=stop)
    assert client.versions(project.id) == {"v1.r1": 3, "v1.r2": 5, "v1.r3": 5, "v1.r4": 2}
    assert held(client, project.id) == project.tasks
    new_order = shuffled(project.tasks, 4)
    assert write_order(client, project.id, "v1.r4", in_order(new_order)).written == 5
    assert held(client, project.id) == new_order
    assert {row.id for task in project.tasks for row in client.task_predictions(task)} == ids


@pytest.mark.parametrize(
    ("tasks", "masks", "side", "expected"),
    [
        (24, 24, 512, 10),  # a small project: as many as a page may list
        (1000, 0, 512, 10),
        (1000, 200, 512, 3),
        (1000, 200, 2048, 1),
        (10_000, 200, 512, 1),  # what was shown until now stays, whatever it takes
    ],
)
def test_how_many_predictions_a_task_keeps(tasks: int, masks: int, side: int, expected: int) -> None:
    """1,000 tasks, 200 of them with a mask, hold at most 4,000 rows, whether they are ordered 50 times a day
    or each minute."""
    weight = {512: 27_000, 2048: 350_000}[side]
    regions = {task: [Region(id="x" * weight)] for task in range(1, masks + 1)}
    assert kept(in_order(list(range(1, tasks + 1)), regions)) == expected
