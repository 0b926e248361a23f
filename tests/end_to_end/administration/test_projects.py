"""Projects of several kinds at once, with faults in them, and gone, in a real Label Studio."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backend.cli import projects as cli_projects
from backend.cli import shell as cli_shell
from backend.cli.shell import FAILED
from backend.doctor.order import check_order
from backend.jobs.due_work import remember_projects
from backend.labelstudio.connect import UNCERTAINTY, Severity
from backend.queue import pending_work
from backend.queue.connection import connection
from backend.queue.enqueue import enqueue_configure, enqueue_round
from backend.queue.follow import follow
from tests.annotator import Annotator, no_training
from tests.cells import CONFIG, CellProject
from tests.shell import shell
from tests.stack import Stack, connect, order, quiet
from tests.states import read_status
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(900)
MakeProject = Callable[..., CellProject]


def test_another_project_at_the_same_time(
    stack: Stack, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    """Two projects are labelled at once, one with brushes and one with polygons;
    each gets its own model, order and kind of masks."""
    projects = [
        make_project(6, "One"),
        make_project(7, "Two", CONFIG.replace("BrushLabels", "PolygonLabels")),
    ]
    for project in projects:
        connect(stack, project)
    for project in projects:
        stack.wait_for_round(project.id, cold=True)
    for project, annotator in zip(projects, annotators, strict=True):
        annotator.label(project, 3)
    for project in projects:
        state = stack.wait_for_round(project.id)
        assert state["version"]["labels"] == 3
        assert set(order(stack, project)) < set(project.names)
    for project, annotator, kind in zip(projects, annotators, ("brushlabels", "polygonlabels"), strict=True):
        task = annotator.next(project.id)
        assert task is not None
        assert {region["type"] for region in task["predictions"][0]["result"]} == {kind}


def test_what_goes_wrong_is_told_and_mended(
    stack: Stack, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    """An image that is gone comes last; labels that cannot be used are named and the others trained on;
    a changed configuration brings a training and new masks; wrong settings are named.
    """
    project = make_project(9)
    client = stack.http
    client.post(
        f"/api/projects/{project.id}/import",
        json=[{"data": {"image": "/data/local-files/?d=cells-4/images/none.png"}}],
    ).raise_for_status()
    gone = max(stack.client.task_ids(project.id))
    connect(stack, project)
    state = stack.wait_for_round(project.id, cold=True)
    assert order(stack, project)[-1] == gone
    assert any(f"task {gone}" in warning for warning in state["warnings"])
    broken = [task for task in order(stack, project) if task != gone][-3:]
    wrongs: tuple[dict[str, list[object]], ...] = ({"rle": [1, 2, 3]}, {"brushlabels": ["Nothing"]}, {})
    with no_training(project.id):
        for task, wrong in zip(broken, wrongs, strict=True):
            (region,) = project.regions(task)
            if wrong:
                region["value"].update(wrong)
            else:
                region["original_width"] = 100
            annotators[0].submit(task, [region])
        for task in order(stack, project)[:3]:
            annotators[0].submit(task, project.regions(task))
    state = stack.wait_for_round(project.id)
    assert state["version"]["labels"] == 3
    (told,) = [warning for warning in state["warnings"] if "3 labels are left out of the training" in warning]
    for task, reason in zip(
        broken,
        ("decoded", "'Nothing'", "100 x 128 pixels"),
        strict=True,
    ):
        assert f"task {task}" in told
        assert reason in told

    changed = CONFIG.replace('<Label value="Cell"/>', '<Label value="Cell"/><Label value="Dirt"/>')
    client.patch(f"/api/projects/{project.id}", json={"label_config": changed}).raise_for_status()
    stack.wait(
        lambda: read_status(project.id)["version"]["name"] != state["version"]["name"],
        "a version for the new labels",
    )
    stack.wait(
        lambda: (found := read_status(project.id))["round"]["version"] == found["version"]["name"],
        "its masks",
    )

    backend = stack.client.ml_backends(project.id)[0]["id"]
    quiet(stack, project)
    user, password = stack.settings.basic_auth or ("", "")
    fields = {
        "project": project.id,
        "url": stack.settings.own_url,
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": user,
    }
    answer = client.patch(
        f"/api/ml/{backend}", json={**fields, "basic_auth_pass": password, "extra_params": {"budgt": 3}}
    )
    assert answer.status_code == 400
    assert "unknown keys budgt" in answer.text


def test_a_disconnected_project_is_as_it_was_and_a_deleted_one_is_forgotten(
    stack: Stack, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is not served any more, nobody looks at it, and connecting brings all back.
    Nobody looks at a deleted one either, and a recompute says why it cannot be."""
    project = make_project(4)
    before = stack.client.project(project.id)
    connect(stack, project)
    stack.wait_for_round(project.id, cold=True)
    quiet(stack, project)
    served = order(stack, project)
    # The sync of each minute may run, and then it would have to ask.
    assert eventually(lambda: shell(f"python -m backend cancel --project {project.id}").exit_code == 0)
    refused = shell(f"python -m backend disconnect --project {project.id}")  # nobody is there to be asked
    assert refused.exit_code != 0
    assert stack.client.project(project.id).sampling == UNCERTAINTY
    done = shell(f"python -m backend disconnect --project {project.id} --yes")
    assert done.exit_code == 0, done.output
    after = stack.client.project(project.id)
    assert (after.sampling, after.model_version) == (before.sampling, "")
    assert [each.severity for each in check_order(stack.settings, project.id)] == [Severity.OK]
    list(follow(project.id, enqueue_configure(project.id)))  # of a /setup from just before
    assert stack.client.ml_backends(project.id) == stack.client.webhooks(project.id) == []
    remember_projects(connection(), stack.settings)  # as when the service starts again
    assert project.id not in stack.web.get("/projects").json()["projects"]
    assert stack.web.post(f"/projects/{project.id}/recompute").status_code == 404
    again = shell(f"python -m backend disconnect --project {project.id} --yes")
    assert (again.exit_code, "nothing in Label Studio" in again.output) == (0, True)

    # Connecting says before what it will change, and what of it somebody had chosen.
    stack.client.update_project(project.id, sampling="Uniform sampling")
    told = shell(f"python -m backend connect --dry-run --project {project.id}")
    assert "in place of Uniform sampling" in told.output
    assert "as ML backend" in told.output
    assert told.exit_code == 0
    assert stack.client.ml_backends(project.id) == []
    monkeypatch.setattr(cli_shell, "is_asked", lambda: True)
    monkeypatch.setattr(cli_projects, "is_asked", lambda: True)
    assert shell(f"python -m backend connect --project {project.id}", "n\n").exit_code == FAILED
    assert stack.client.project(project.id).sampling == "Uniform sampling"
    done = shell(f"python -m backend connect --project {project.id}", "y\n")
    assert done.exit_code == 0, done.output
    assert "no Authorization header" not in done.output, "Label Studio's new webhook is no fault"
    assert "Go on?" not in shell(f"python -m backend connect --project {project.id}").output, (
        "there is nothing to change"
    )
    assert (
        "Nothing would be changed"
        in shell(f"python -m backend connect --dry-run --project {project.id}").output
    )
    pending_work.register(connection(), project.id)
    stack.sync(project)
    assert order(stack, project) == served

    stack.http.delete(f"/api/projects/{project.id}").raise_for_status()
    stack.sync(project)
    assert project.id not in stack.web.get("/projects").json()["projects"]
    last = list(follow(project.id, enqueue_round(project.id, "test")))[-1]
    assert last["state"] == "failed"
    assert "project" in last["message"].lower()
