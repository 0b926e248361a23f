"""Tests of the order in a real Label Studio."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np
import pytest

from backend.errors import LabelStudioError, PriorityError
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.http.answers import Region
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import from_mask
from backend.labelstudio.order import priorities, round_rows
from backend.labelstudio.order.priorities import (
    in_order,
    masks_wanted,
    next_tasks,
    order,
    score_of,
    top_up,
    write_order,
)
from backend.labelstudio.order.rounds import Priority
from tests.backend.labelstudio.conftest import Annotator, MakeProject


def shuffled(tasks: Sequence[int], seed: int = 0) -> list[int]:
    return random.Random(seed).sample(list(tasks), len(tasks))


def mask_regions(seed: int = 0) -> list[Region]:
    mask = (np.random.default_rng(seed).random((20, 30)) > 0.7).astype(np.uint8)
    return from_mask(mask, parse(EXAMPLE), [0.9, 0.8])


def held(client: LabelStudio, project: int) -> list[int]:
    return [place.task_id for place in order(client, project)]


def test_scores_rise_with_the_rank_between_zero_and_one() -> None:
    made = in_order([7, 3, 9], {3: [{"id": "a"}]})
    assert [(item.task_id, item.score, item.regions) for item in made] == [
        (7, 0.25, None),
        (3, 0.5, [{"id": "a"}]),
        (9, 0.75, None),
    ]
    with pytest.raises(ValueError, match="task 3 more than once"):
        in_order([3, 7, 3])
    with pytest.raises(ValueError, match="rank 4 of 3"):
        score_of(4, 3)


def test_masks_are_wanted_for_all_or_for_the_next() -> None:
    assert masks_wanted(list(range(500))) == list(range(500))
    assert masks_wanted(list(range(501))) == list(range(200))


def test_two_annotators_get_exactly_the_written_order(
    client: LabelStudio, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    project = make_project(12)
    wanted = shuffled(project.tasks)
    report = write_order(client, project.id, "v1.r1", in_order(wanted, {wanted[0]: mask_regions()}))
    assert (report.written, report.masks, report.gone) == (12, 1, ())
    assert held(client, project.id) == wanted
    served = []
    for turn in range(12):
        annotator = annotators[turn % 2]
        task = annotator.next(project.id)
        assert task is not None
        served.append(task)
        if turn >= 1:  # the other submits while this one holds a task
            annotators[(turn + 1) % 2].submit(served[turn - 1])
    assert served == wanted
    annotators[1].submit(served[-1])
    assert [annotator.next(project.id) for annotator in annotators] == [None, None]
    assert order(client, project.id) == []


def test_a_new_round_takes_over_at_the_very_next_request(
    client: LabelStudio, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    project = make_project(8)
    first, second = shuffled(project.tasks, 1), shuffled(project.tasks, 2)
    write_order(client, project.id, "v1.r1", in_order(first))
    served = [annotators[0].next(project.id)]
    annotators[0].submit(first[0])
    remaining = [task for task in second if task != first[0]]
    report = write_order(client, project.id, "v2.r2", in_order(remaining))
    assert report.written == 7
    assert client.versions(project.id) == {"v1.r1": 8, "v2.r2": 7}  # the first may be open in a browser
    for turn in range(7):
        served.append(annotators[turn % 2].next(project.id))
        annotators[turn % 2].submit(served[-1] or 0)
    assert served == [first[0], *remaining]


def test_many_tasks_are_written_in_parts_and_read_back_page_by_page(
    client: LabelStudio, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long 1,000 take is measured in the benchmarks."""
    monkeypatch.setattr(round_rows, "CHUNK", 25)
    monkeypatch.setattr(priorities, "IDS_A_PAGE", 20)
    monkeypatch.setattr(priorities, "MASKS_FOR_ALL", 50)
    monkeypatch.setattr(priorities, "MASKS_AHEAD", 30)
    project = make_project(60)
    wanted = shuffled(project.tasks)
    report = write_order(
        client, project.id, "v1.r1", in_order(wanted, dict.fromkeys(masks_wanted(wanted), mask_regions()))
    )
    assert (report.written, report.masks) == (60, 30)
    places = order(client, project.id)
    assert [place.task_id for place in places] == wanted
    assert [place.score for place in places] == pytest.approx([rank / 61 for rank in range(1, 61)])
    assert next_tasks(client, project.id, 5) == places[:5]


def test_nothing_but_predictions_and_the_version_changes(
    client: LabelStudio, make_project: MakeProject
) -> None:
    project = make_project(5)
    columns = ("id", "data", "meta", "overlap", "is_labeled")
    before = list(client.pages(project.id, [], 9, columns))
    settings = client.project(project.id)
    write_order(client, project.id, "v1.r1", in_order(project.tasks))
    top_up(client, project.id, {project.tasks[0]: mask_regions()})
    assert list(client.pages(project.id, [], 9, columns)) == before
    after = client.project(project.id)
    assert (after.sampling, after.label_config, after.model_version) == (
        settings.sampling,
        settings.label_config,
        "v1.r1",
    )


class Stopped(Exception):
    """Raised to stop a write, as a killed job would."""


@pytest.mark.parametrize("step", ["imported", "switched"])
def test_a_write_stopped_in_between_is_repaired_by_the_same_call(
    client: LabelStudio, make_project: MakeProject, step: str
) -> None:
    project = make_project(6)
    first, second = shuffled(project.tasks, 1), shuffled(project.tasks, 2)
    write_order(client, project.id, "v1.r1", in_order(first))

    def stop(reached: str) -> None:
        if reached == step:
            raise Stopped

    with pytest.raises(Stopped):
        write_order(client, project.id, "v1.r2", in_order(second), checkpoint=stop)
    assert held(client, project.id) == (first if step == "imported" else second)
    for _ in range(2):  # and repeating what is done changes nothing
        write_order(client, project.id, "v1.r2", in_order(second))
        assert held(client, project.id) == second
        assert client.versions(project.id) == {"v1.r1": 6, "v1.r2": 6}


class Faulty(LabelStudio):
    """A client whose import fails in a chosen way."""

    def __init__(self, url: str, token: str, fault: str) -> None:
        super().__init__(url, token)
        self.fault, self.imports = fault, 0

    def import_predictions(self, project_id: int, predictions: Sequence[Mapping[str, Any]]) -> int:
        self.imports += 1
        if self.fault == "away" and self.imports == 2:
            raise LabelStudioError("POST import answered 500", status=500)
        if self.fault == "scores":
            predictions = [{**item, "score": 1 - item["score"]} for item in predictions]
        if self.fault == "twice":
            super().import_predictions(project_id, predictions)
        return super().import_predictions(project_id, predictions)


@pytest.mark.parametrize(
    ("fault", "error"),
    [("away", "answered 500"), ("scores", "reads back differently"), ("twice", "holds some tasks twice")],
)
def test_a_failed_write_leaves_the_previous_order_in_force(
    client: LabelStudio,
    make_project: MakeProject,
    monkeypatch: pytest.MonkeyPatch,
    label_studio: Any,
    fault: str,
    error: str,
) -> None:
    project = make_project(6)
    first, second = shuffled(project.tasks, 1), shuffled(project.tasks, 2)
    write_order(client, project.id, "v1.r1", in_order(first))
    monkeypatch.setattr(round_rows, "CHUNK", 4)
    faulty = Faulty(label_studio.url, label_studio.token, fault)
    with pytest.raises(LabelStudioError, match=error):
        write_order(faulty, project.id, "v1.r2", in_order(second))
    assert held(client, project.id) == first
    assert client.project(project.id).model_version == "v1.r1"
    was_served = fault == "scores"  # for a moment, in which somebody may have opened a task
    assert client.versions(project.id).get("v1.r2", 0) == (6 if was_served else 0)
    name = "v1.r3" if was_served else "v1.r2"
    write_order(client, project.id, name, in_order(second))
    assert held(client, project.id) == second
    assert client.versions(project.id) == {"v1.r1": 6, name: 6} | ({"v1.r2": 6} if was_served else {})


def test_silent_drops_are_noticed_and_name_the_tasks(client: LabelStudio, make_project: MakeProject) -> None:
    project = make_project(4)
    write_order(client, project.id, "v1.r1", in_order(project.tasks))
    unknown = from_mask(np.ones((4, 4), np.uint8), parse(EXAMPLE.replace("Axon", "Myelin")))
    with pytest.raises(
        PriorityError,
        match=f"took 3 of 4 .* dropped task {project.tasks[2]}: .*previous order stays in force",
    ):
        write_order(client, project.id, "v1.r2", in_order(project.tasks[::-1], {project.tasks[2]: unknown}))
    assert held(client, project.id) == project.tasks
    assert client.versions(project.id) == {"v1.r1": 4}


def test_wrong_scores_names_and_duplicates_are_refused_before_anything_is_written(
    client: LabelStudio, make_project: MakeProject
) -> None:
    project = make_project(2)
    for wrong in (0.0, 1.0, 1.5, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"scores of task {project.tasks[0]} are not between 0 and 1"):
            write_order(client, project.id, "v1.r1", [Priority(project.tasks[0], wrong)])
    with pytest.raises(ValueError, match="name is 'mine'"):
        write_order(client, project.id, "mine", in_order(project.tasks))
    assert client.versions(project.id) == {}


def test_another_order_under_the_name_in_force_is_refused(
    client: LabelStudio, make_project: MakeProject
) -> None:
    project = make_project(3)
    write_order(client, project.id, "v1.r1", in_order(project.tasks))
    with pytest.raises(PriorityError, match="another order is in force under that name"):
        write_order(client, project.id, "v1.r1", in_order(project.tasks[::-1]))
    assert held(client, project.id) == project.tasks


def test_deleted_and_labelled_tasks_are_passed_over(
    client: LabelStudio, http: httpx.Client, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    project = make_project(6)
    wanted = shuffled(project.tasks)
    http.delete(f"/api/tasks/{wanted[1]}/").raise_for_status()
    annotators[0].submit(wanted[3])
    report = write_order(client, project.id, "v1.r1", in_order(wanted))
    remaining = [task for task in wanted if task not in (wanted[1], wanted[3])]
    assert report.gone == tuple(sorted((wanted[1], wanted[3])))
    assert held(client, project.id) == remaining
    http.delete(f"/api/tasks/{wanted[0]}/").raise_for_status()
    assert held(client, project.id) == remaining[1:]


def test_a_task_deleted_while_it_is_written_is_passed_over(
    client: LabelStudio, http: httpx.Client, make_project: MakeProject
) -> None:
    project = make_project(3)

    def delete(step: str) -> None:
        if step == "imported":
            http.delete(f"/api/tasks/{project.tasks[0]}/").raise_for_status()

    report = write_order(client, project.id, "v1.r1", in_order(project.tasks), checkpoint=delete)
    assert report.gone == (project.tasks[0],)
    assert held(client, project.id) == project.tasks[1:]
