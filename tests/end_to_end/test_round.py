"""From the first label to the order that annotators are served, in a real Label Studio."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from backend.jobs import due_work
from backend.labelstudio.connect import UNCERTAINTY
from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.regions import to_mask
from backend.labelstudio.order import priorities
from backend.project.connection import instance_here, own_service
from backend.project.context import open_context
from backend.queue import enqueue, pending_work, project_jobs
from backend.queue.connection import connection
from backend.queue.follow import follow
from backend.queue.pending_work import Work
from tests.annotator import Annotator, no_training
from tests.cells import CONFIG, CellProject
from tests.stack import Stack, connect, order
from tests.states import read_status
from tests.waiting import PATIENCE

MakeProject = Callable[..., CellProject]
pytestmark = pytest.mark.timeout(900)


def metrics(stack: Stack, project: CellProject) -> dict[str, float]:
    """What GET /metrics tells of a project."""
    families = text_string_to_metric_families(stack.web.get("/metrics").raise_for_status().text)
    samples = [
        sample
        for family in families
        for sample in family.samples
        if sample.labels.get("project") == str(project.id)
    ]
    return {sample.name: sample.value for sample in samples if sample.labels.get("state") != "waiting"}


def test_the_whole_round(stack: Stack, make_project: MakeProject, annotators: list[Annotator]) -> None:
    """Connect, label three in the cold-start order, and the order written by the round is the order served,
    with masks, to two annotators.

    Labels submitted then change the next round.
    """
    project = make_project()
    connect(stack, project)
    cold = stack.wait_for_round(project.id, cold=True)
    assert cold["round"]["strategy"].startswith("typical")
    first = order(stack, project)
    assert [task["task"] for task in cold["next_tasks"]] == first[:10]

    with no_training(project.id):
        for rank in range(3):
            task = annotators[0].next(project.id)
            assert task is not None
            assert task["id"] == first[rank]
            annotators[0].submit(task["id"], project.regions(task["id"]))

    state = stack.wait_for_round(project.id)
    assert state["version"]["name"].startswith("v")
    assert state["version"]["labels"] == 3
    assert state["round"]["strategy"] == "task_dependent"
    assert (state["last_error"], state["labels"]["waiting"]) == (None, 0)
    written = order(stack, project)
    assert sorted(written) == sorted(set(project.names) - set(first[:3]))
    assert [task["task"] for task in state["next_tasks"]] == written[:10]
    assert all(stored.regions for stored in stack.client.predictions(project.id, state["round"]["name"]))

    told = metrics(stack, project)
    assert told["tdal_project_model_version"] == int(state["version"]["name"][1:])
    assert told["tdal_project_labels"] == 3
    assert told["tdal_project_rounds_written_total"] >= 2
    assert told["tdal_project_round_age_seconds"] < PATIENCE
    assert told["tdal_project_failing_job_kinds"] == 0

    held: dict[int, int] = {}  # annotator to the task that is open on their screen
    served = []
    for turn in range(4):
        annotator = annotators[turn % 2]
        if turn >= 2:
            annotator.submit(held[turn % 2], project.regions(held[turn % 2]))
        task = annotator.next(project.id)
        assert task is not None
        held[turn % 2] = task["id"]
        served.append(task["id"])
        why = task["predictions"][0]["result"][0]["meta"]["text"][0]
        assert why.startswith(f"Number {written.index(task['id']) + 1} of {len(written)} ")
        drawn = to_mask(
            task["predictions"][0]["result"],
            parse(CONFIG),
            project.pool.labels[project.names[task["id"]]].shape,
        )
        assert drawn.any()
    assert served == written[:4]

    later = stack.wait_for_round(project.id, other_than=state["round"]["name"])
    assert later["version"]["labels"] >= 5
    assert set(order(stack, project)) == set(written[2:])
    assert later["round"]["reason"] == "the batch is finished"


def test_tasks_added_and_deleted(stack: Stack, make_project: MakeProject) -> None:
    """New tasks get a place and a mask without a round; deleted ones leave no trace."""
    project = make_project(6)
    connect(stack, project)
    state = stack.wait_for_round(project.id, cold=True)
    http = stack.http
    image = stack.server.address(project.folder / project.pool.ids[7])
    gone = min(project.names)
    http.delete(f"/api/tasks/{gone}/").raise_for_status()
    http.post(f"/api/projects/{project.id}/import", json=[{"data": {"image": image}}] * 2).raise_for_status()
    placed = stack.wait(
        lambda: len(order(stack, project)) == 7 and order(stack, project), "a place for the new tasks"
    )
    assert gone not in placed
    assert not priorities.unplaced(stack.client, project.id)
    left = [task["task"] for task in state["next_tasks"] if task["task"] != gone]
    stack.wait(
        lambda: [task["task"] for task in read_status(project.id)["next_tasks"]] == left,
        "the deleted task to be noticed",
    )
    assert read_status(project.id)["round"]["name"] == state["round"]["name"]


def test_connected_by_hand(stack: Stack, make_project: MakeProject) -> None:
    """Connecting in Label Studio's own page is enough:
    the first /setup has the project configured, once, and then there is quiet.

    Under another name of this service, too: there is one connection, and its extra params are in force.
    """
    project = make_project(4)
    http = stack.http
    user, password = stack.settings.basic_auth or ("", "")
    url = stack.settings.own_url.replace("127.0.0.1", "LOCALHOST")
    body = {
        "project": project.id,
        "url": url,
        "title": "by hand",
        "auth_method": "BASIC_AUTH",
        "extra_params": {"budget": 3},
    }
    http.post(
        "/api/ml", json={**body, "basic_auth_user": user, "basic_auth_pass": password}
    ).raise_for_status()
    stack.wait(lambda: stack.client.project(project.id).sampling == UNCERTAINTY, "the sampling")
    stack.wait_for_round(project.id, cold=True)
    hooks = stack.client.webhooks(project.id)
    assert [hook["url"] for hook in hooks] == [f"{url}/webhook"]
    assert hooks[0]["headers"]["Authorization"].startswith(f"Bearer {project.id}.")
    assert [item["url"] for item in stack.client.ml_backends(project.id)] == [url]
    assert open_context(project.id).project_settings().budget == 3
    own = own_service(stack.settings, instance_here(stack.settings))
    assert own.is_at(url.replace("LOCALHOST", "127.1")), "asked, the service tells that it is this one"

    # What the service writes comes back to it as events; they end there.
    settled = connection()
    stack.wait(lambda: not pending_work.pending(settled, project.id, Work.SYNC).outstanding, "the last look")
    before = {work: pending_work.pending(settled, project.id, work).wanted for work in Work}
    for _ in range(3):
        assert list(follow(project.id, enqueue.enqueue_sync(project.id)))[-1]["state"] == "finished"
    after = {work: pending_work.pending(settled, project.id, work).wanted for work in Work}
    del before[Work.SYNC], after[Work.SYNC]  # the tick wants one now and then
    assert after == before


def test_an_unusable_configuration_is_explained_on_the_page(stack: Stack) -> None:
    """Label Studio shows the administrator what is missing."""
    http = stack.http
    config = (
        '<View><Text name="text" value="$text"/><Choices name="c" toName="text"><Choice'
        ' value="a"/></Choices></View>'
    )
    project = int(
        http.post("/api/projects", json={"title": "Texts", "label_config": config})
        .raise_for_status()
        .json()["id"]
    )
    user, password = stack.settings.basic_auth or ("", "")
    body = {"project": project, "url": stack.settings.own_url, "title": "x", "auth_method": "BASIC_AUTH"}
    answer = http.post("/api/ml", json={**body, "basic_auth_user": user, "basic_auth_pass": password})
    assert answer.status_code == 400
    assert "no Image" in answer.text


def test_start_training_and_recompute(
    stack: Stack, make_project: MakeProject, annotators: list[Annotator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The button trains and then recomputes; a recompute over the web is followed to its end.

    A night in which nothing has changed brings no round.
    A version that is clearly worse is not put in use, and the status says why.
    """
    project = make_project(6)
    connect(stack, project)
    stack.configure(project, folds=2)
    state = stack.wait_for_round(project.id, cold=True)
    with no_training(project.id):
        for task in order(stack, project)[:3]:
            annotators[0].submit(task, project.regions(task))
    backend = stack.client.ml_backends(project.id)[0]["id"]
    http = stack.http
    http.post(f"/api/ml/{backend}/train", json={"use_ground_truth": False}).raise_for_status()
    trained = stack.wait_for_round(project.id, other_than=state["round"]["name"])
    assert trained["version"]["labels"] == 3
    assert metrics(stack, project)["tdal_project_held_out_dice"] == trained["version"]["held_out_dice"]

    stack.wait(
        lambda: not project_jobs.active(connection(), project.id, Work.ROUND), "the round's end"
    )  # or it would be joined
    job = stack.web.post(f"/projects/{project.id}/recompute").raise_for_status().json()["job"]
    looks = list(follow(project.id, job))
    assert looks[-1]["state"] == "finished"
    assert (
        stack.wait_for_round(project.id, other_than=trained["round"]["name"])["version"] == trained["version"]
    )

    monkeypatch.setattr(pending_work, "projects", lambda _: [project.id])
    stack.wait(lambda: not project_jobs.active(connection(), project.id, Work.ROUND), "the round's end")
    due_work.nightly()
    assert not project_jobs.active(connection(), project.id, Work.ROUND)

    name = trained["version"]["name"]
    description = stack.settings.model_dir / f"projects/{project.id}/versions/{name}/model.json"
    content = json.loads(description.read_text())
    content["record"]["held_out"] = dict.fromkeys(content["record"]["held_out"], 1.0)  # nothing is as good
    description.write_text(json.dumps(content))
    last = list(
        follow(project.id, stack.web.post(f"/projects/{project.id}/train").raise_for_status().json()["job"])
    )[-1]
    assert last["state"] == "finished"
    kept = read_status(project.id)
    assert kept["version"]["name"] == name
    (told,) = [warning for warning in kept["warnings"] if "was trained but is not in use" in warning]
    assert "clearly worse" in told
    assert f"so {name} stays in use" in told
