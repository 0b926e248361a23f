"""Places and masks that are added to an order in force, in a real Label Studio."""

from __future__ import annotations

import httpx
import pytest

from backend.errors import PriorityError
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.order import priorities
from backend.labelstudio.order.priorities import (
    add_provisional,
    in_order,
    masks_wanted,
    next_tasks,
    order,
    top_up,
    unmasked,
    unplaced,
    write_order,
)
from backend.labelstudio.order.rounds import Priority
from tests.backend.labelstudio.conftest import Annotator, MakeProject, add_tasks
from tests.backend.labelstudio.test_priorities import held, mask_regions, shuffled


def test_new_tasks_get_a_place_in_the_order_in_force(
    client: LabelStudio, http: httpx.Client, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    project = make_project(4)
    assert unplaced(client, project.id) == project.tasks
    with pytest.raises(PriorityError, match="no round in force"):
        add_provisional(client, project.id, in_order(project.tasks))
    write_order(client, project.id, "v1.r1", in_order(project.tasks))
    add_tasks(http, project.id, 2)
    new = unplaced(client, project.id)
    assert len(new) == 2
    assert not set(new) & set(project.tasks)
    first, second, *_ = (place.score for place in order(client, project.id))
    scores = [first + (second - first) * part for part in (0.3, 0.6)]
    report = add_provisional(
        client, project.id, [Priority(new[0], scores[0], mask_regions()), Priority(new[1], scores[1])]
    )
    assert (report.written, report.masks, report.round_name) == (2, 1, "v1.r1")
    # Again, and with tasks that have a place: nothing is written twice.
    again = add_provisional(client, project.id, [Priority(task, 0.001) for task in [*new, project.tasks[3]]])
    assert (again.written, again.gone) == (0, tuple(sorted([*new, project.tasks[3]])))
    expected = [project.tasks[0], *new, *project.tasks[1:]]
    assert held(client, project.id) == expected
    assert client.versions(project.id) == {"v1.r1": 6}
    assert unplaced(client, project.id) == []
    served = []
    for _ in range(4):
        served.append(annotators[0].next(project.id) or 0)
        annotators[0].submit(served[-1])
    assert served == expected[:4]


def test_masks_follow_the_annotators_and_leave_no_duplicates(
    client: LabelStudio,
    make_project: MakeProject,
    annotators: list[Annotator],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(priorities, "MASKS_FOR_ALL", 5)
    monkeypatch.setattr(priorities, "MASKS_AHEAD", 3)
    project = make_project(9)
    wanted = shuffled(project.tasks)
    assert masks_wanted(wanted) == wanted[:3]
    assert unmasked(client, project.id) == []
    write_order(
        client, project.id, "v1.r1", in_order(wanted, {task: mask_regions(task) for task in wanted[:3]})
    )
    drawn = set(wanted[:3])
    assert unmasked(client, project.id, drawn=drawn) == []
    for _ in range(2):
        annotators[0].submit(annotators[0].next(project.id) or 0)
    assert unmasked(client, project.id, drawn=drawn) == wanted[3:5]
    due = {task: mask_regions(task) for task in unmasked(client, project.id, drawn=drawn)}
    assert top_up(client, project.id, due) == 2
    assert top_up(client, project.id, due) == 0  # again: they have one
    assert (
        top_up(client, project.id, {10**9: mask_regions(), wanted[6]: []}) == 0
    )  # a deleted task, and an empty mask
    assert client.versions(project.id) == {"v1.r1": 9}
    assert held(client, project.id) == wanted[2:]
    shown = (annotators[0].client.next_task(project.id) or {})["predictions"]
    assert [item["result"] for item in shown] == [mask_regions(wanted[2])]
    annotators[0].submit(wanted[2])
    annotators[0].submit(wanted[3])
    assert unmasked(client, project.id, drawn=due) == wanted[5:]  # five left: each gets one


def test_predictions_of_others_stay_and_do_not_count_as_masks(
    client: LabelStudio, make_project: MakeProject
) -> None:
    project = make_project(3)
    foreign = [
        {"task": task, "result": mask_regions(), "score": 0.5, "model_version": "their model"}
        for task in project.tasks
    ]
    client.import_predictions(project.id, foreign)
    assert order(client, project.id) == next_tasks(client, project.id, 3) == []
    write_order(client, project.id, "v1.r1", in_order(project.tasks[::-1]))
    write_order(client, project.id, "v1.r2", in_order(project.tasks[::-1]))
    assert client.versions(project.id) == {"their model": 3, "v1.r1": 3, "v1.r2": 3}
    assert unmasked(client, project.id) == project.tasks[::-1]
    assert top_up(client, project.id, {project.tasks[1]: mask_regions()}) == 1
    assert unmasked(client, project.id, drawn={project.tasks[1]}) == [project.tasks[2], project.tasks[0]]


def test_of_two_predictions_of_a_round_both_get_the_mask(
    client: LabelStudio, make_project: MakeProject
) -> None:
    project = make_project(2)
    write_order(client, project.id, "v1.r1", in_order(project.tasks))
    client.import_predictions(
        project.id, [{"task": project.tasks[0], "result": [], "score": 0.9, "model_version": "v1.r1"}]
    )
    assert top_up(client, project.id, {project.tasks[0]: mask_regions()}) == 1
    assert [item.regions > 0 for item in client.task_predictions(project.tasks[0])] == [
        True,
        True,
    ]  # either may be open
    assert top_up(client, project.id, {project.tasks[0]: mask_regions()}) == 0
    assert held(client, project.id) == project.tasks
