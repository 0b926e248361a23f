"""Skipped tasks on the real server:
whom Label Studio serves them to, under each of its settings, and what we make of it."""

from __future__ import annotations

import httpx
import pytest

from backend.demo.server import LabelStudioServer
from backend.labelstudio.client import LABELS, LabelStudio
from backend.labelstudio.skips import SKIPPED, PutBack, SkipQueue, Skips, put_back, read_skips, skipped_since
from tests.accounts import create_user
from tests.backend.labelstudio.conftest import Annotator, Made, MakeProject


@pytest.fixture
def in_order(client: LabelStudio, make_project: MakeProject) -> MakeProject:
    """Makes projects whose tasks are served in the order of ids."""

    def make(count: int, **settings: object) -> Made:
        project = make_project(count, **settings)
        places = [
            {"task": task, "result": [], "score": place / 100, "model_version": "v1.r1"}
            for place, task in enumerate(project.tasks, 1)
        ]
        client.import_predictions(project.id, places)
        client.switch_version(project.id, "v1.r1")
        return project

    return make


def skips(client: LabelStudio, project: Made) -> Skips:
    return read_skips(client, client.project(project.id))


def ids(*annotators: Annotator) -> frozenset[int]:
    return frozenset(int(annotator.client.user()["id"]) for annotator in annotators)


def test_a_task_is_done_once_everyone_has_skipped_it(
    client: LabelStudio, in_order: MakeProject, annotators: list[Annotator]
) -> None:
    """By default the others are served it first;
    who has neither labelled nor skipped here is not waited for."""
    first, second = annotators
    project = in_order(4)
    task, *others = project.tasks
    assert skips(client, project) == Skips(SkipQueue.OTHERS, {}, frozenset())
    first.skip(task)
    assert skips(client, project).done == {task}  # nobody else has ever worked here
    second.submit(others[0])
    assert skips(client, project).done == frozenset()
    assert skips(client, project).partly == {task: 1}
    assert (first.next(project.id), second.next(project.id)) == (others[1], task)
    second.skip(task)
    found = skips(client, project)
    assert (found.done, found.by_task[task], found.people) == ({task}, ids(*annotators), ids(*annotators))
    for annotator in annotators:
        while (served := annotator.next(project.id)) is not None:
            assert served != task
            annotator.submit(served)


def test_requeue_for_me_serves_a_skipped_task_last_and_to_who_skipped_it(
    client: LabelStudio, in_order: MakeProject, annotators: list[Annotator]
) -> None:
    """So no batch waits for it, whoever else there is."""
    first, second = annotators
    project = in_order(3, skip_queue="REQUEUE_FOR_ME")
    task, *others = project.tasks
    first.skip(task)
    assert second.next(project.id) == others[0]
    second.submit(others[0])
    assert skips(client, project).done == {task}
    assert first.next(project.id) == others[1]
    first.submit(others[1])
    assert (second.next(project.id), first.next(project.id)) == (None, task)


def test_ignore_skipped_counts_it_as_labelled(
    client: LabelStudio, in_order: MakeProject, annotators: list[Annotator]
) -> None:
    """It is served to nobody, and stands among the skipped ones nevertheless."""
    first, second = annotators
    project = in_order(2, skip_queue="IGNORE_SKIPPED")
    second.submit(project.tasks[1])
    first.skip(project.tasks[0])
    assert (second.next(project.id), first.next(project.id)) == (None, None)
    assert skips(client, project).done == {project.tasks[0]}


def test_labels_and_people_who_left(
    client: LabelStudio,
    http: httpx.Client,
    in_order: MakeProject,
    annotators: list[Annotator],
    label_studio: LabelStudioServer,
) -> None:
    """A label ends a skip, and a skip of a labelled task is none;
    members who left the organization are not waited for."""
    first = annotators[0]
    gone = Annotator(label_studio.url, create_user(label_studio, "gone@labelstudio-room.org").token)
    project = in_order(4)
    labelled, skipped, by_gone, _ = project.tasks
    gone.submit(labelled)
    first.skip(labelled)
    gone.skip(by_gone)
    first.skip(skipped)
    assert skips(client, project).by_task == {skipped: ids(first), by_gone: ids(gone)}
    assert skips(client, project).done == frozenset()
    user = gone.client.user()
    http.delete(
        f"/api/organizations/{user['active_organization']}/memberships/{user['id']}/"
    ).raise_for_status()
    assert skips(client, project).done == {skipped}
    first.submit(skipped)
    assert skips(client, project).by_task == {by_gone: frozenset({user["id"]})}


def test_a_drawing_on_a_skipped_image_is_not_put_back_over(
    client: LabelStudio, in_order: MakeProject, annotators: list[Annotator]
) -> None:
    """Who goes back to an image and draws has saved a draft of the skip, which would go with it."""
    first, second = annotators
    project = in_order(2)
    drawn, other = project.tasks
    for task in (drawn, other):
        first.skip(task)
        second.skip(task)
    (found,) = [each for each in client.pages(project.id, SKIPPED, 9, LABELS) if each["id"] == drawn]
    (skip,) = [each["id"] for each in found["annotations"] if {each["completed_by"]} == ids(second)]
    region = {"from_name": "labels", "to_name": "image", "type": "brushlabels", "value": {}}
    draft = second.http.post(f"/api/tasks/{drawn}/annotations/{skip}/drafts", json={"result": [region]})
    draft.raise_for_status()
    assert put_back(client, project.id, project.tasks) == PutBack((other,), (drawn,))
    kept = second.http.get(f"/api/drafts/{draft.json()['id']}/").raise_for_status().json()
    assert kept["result"] == [region]
    assert skips(client, project).by_task == {drawn: ids(second)}


def test_each_skip_is_noticed_by_one_small_request(
    client: LabelStudio, in_order: MakeProject, annotators: list[Annotator]
) -> None:
    """A second person's, too, and one that is taken back."""
    project = in_order(3)
    seen = [skipped_since(client, project.id)]
    annotators[0].skip(project.tasks[0])
    seen.append(skipped_since(client, project.id))
    annotators[1].skip(project.tasks[0])
    seen.append(skipped_since(client, project.id))
    (task,) = client.pages(project.id, SKIPPED, 9, LABELS)
    assert [annotation["was_cancelled"] for annotation in task["annotations"]] == [True, True]
    annotators[0].http.delete(f"/api/annotations/{task['annotations'][0]['id']}/").raise_for_status()
    seen.append(skipped_since(client, project.id))
    assert len(set(seen)) == len(seen)
