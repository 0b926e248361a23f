"""The next tasks of an order in force, in a real Label Studio."""

from __future__ import annotations

import httpx
import pytest

from backend.errors import PriorityError
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.order.next_places import FRONT, find_misplaced, put_first
from backend.labelstudio.order.priorities import in_order, order, score_of, write_order
from tests.backend.labelstudio.conftest import Annotator, MakeProject, add_tasks
from tests.backend.labelstudio.test_priorities import held, mask_regions, shuffled

ROUND = "v1.r1"


def test_the_next_tasks_come_first_and_the_others_keep_their_places(
    client: LabelStudio, http: httpx.Client, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    """No prediction is made or goes: a page that shows one can be submitted. What was put first before and is
    not any more goes back behind, new tasks get a place, and what is the same already is not written."""
    project = make_project(12)
    before = shuffled(project.tasks)
    write_order(client, project.id, ROUND, in_order(before))
    rows = {task: [row.id for row in client.task_predictions(task)] for task in before}
    first = [before[9], before[3], before[6]]
    masks = {before[9]: mask_regions(1)}
    assert put_first(client, project.id, ROUND, first, masks, {}) == 3
    assert held(client, project.id) == first + [task for task in before if task not in first]
    assert client.task_regions(before[9], ROUND) == {rows[before[9]][0]: mask_regions(1)}
    assert put_first(client, project.id, ROUND, first, {}, {}) == 0

    opened = annotators[1].client.next_task(project.id) or {}
    assert opened["id"] == before[9]
    behind = {task: score_of(rank, 12) for rank, task in enumerate(before, start=1)}
    second = [before[11], before[3]]
    assert put_first(client, project.id, ROUND, second, {before[3]: []}, behind) == 4
    assert held(client, project.id) == second + [task for task in before if task not in second]
    assert {task: [row.id for row in client.task_predictions(task)] for task in before} == rows
    assert all(place.score < FRONT for place in order(client, project.id)[:2])
    annotators[1].submit(before[9])

    add_tasks(http, project.id, 1)
    new = max(client.task_ids(project.id))
    assert put_first(client, project.id, ROUND, [new, 10**9, before[3]], {new: mask_regions(2)}, behind) == 3
    assert held(client, project.id)[:2] == [new, before[3]]
    assert client.versions(project.id) == {ROUND: 13}


def test_a_task_that_is_not_served_in_its_place_is_told(
    client: LabelStudio, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    """Also one that Label Studio does not serve at all; one that is labelled or deleted needs no place."""
    project = make_project(5)
    a, b, c, d, e = project.tasks
    write_order(client, project.id, ROUND, in_order(project.tasks))
    assert find_misplaced(client, project.id, []) == []
    assert find_misplaced(client, project.id, [a, 10**9, b]) == []
    assert find_misplaced(client, project.id, [b, a, c]) == [b, a]
    assert find_misplaced(client, project.id, [a, e]) == [e]
    (row,) = client.task_predictions(b)
    client.delete_predictions([row.id])
    assert find_misplaced(client, project.id, [a, b, c]) == [b, c]
    annotators[1].submit(b)
    assert find_misplaced(client, project.id, [a, b, c, d]) == []


def test_another_order_is_not_touched(client: LabelStudio, make_project: MakeProject) -> None:
    """One that a person chose in the project's settings, or that was written meanwhile."""
    project = make_project(3)
    write_order(client, project.id, ROUND, in_order(project.tasks))
    write_order(client, project.id, "v1.r2", in_order(project.tasks))
    with pytest.raises(PriorityError, match=r"served 'v1.r2', expected v1.r1"):
        put_first(client, project.id, ROUND, project.tasks[::-1], {}, {})
    assert held(client, project.id) == project.tasks
