"""`doctor` on a real installation:
each thing is broken, the command that it names is run, and it is satisfied."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from backend.cli import FIX
from backend.project.context import open_context
from backend.queue.connection import Keys
from backend.queue.lease import Fence
from tests.accounts import create_personal_token, create_user
from tests.cells import CellProject
from tests.shell import shell
from tests.stack import Stack, connect
from tests.states import read_status

pytestmark = pytest.mark.timeout(900)
Found = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def project(stack: Stack, make_project: Callable[..., CellProject]) -> CellProject:
    """Connected, with an order from the images' looks."""
    made = make_project(4, "Doctor")
    connect(stack, made)
    stack.wait_for_round(made.id, cold=True)
    return made


@contextmanager
def nobody_mends(project: CellProject) -> Iterator[None]:
    """The look at the project fixes some of it by itself, within a minute; here it waits."""
    context = open_context(project.id)
    fence = Fence(context.redis, Keys(project.id).fence("look"))
    assert fence.take(wait=60)
    with fence:
        yield


def doctor(project: CellProject, **environment: str) -> tuple[int, Found, Found]:
    """Exit code, and what is not right by subject: of the service, and of the project."""
    done = shell(f"python -m backend doctor --project {project.id} --json", **environment)
    content = json.loads(done.stdout)

    def wrong(found: list[dict[str, str]]) -> Found:
        return {
            each["subject"]: each for each in found if each["severity"] != "ok" and each["subject"] != "disk"
        }

    return done.exit_code, wrong(content["service"]), wrong(content["projects"][str(project.id)])


def configured(stack: Stack, project: CellProject) -> list[Any]:
    """Everything in Label Studio that a check could have changed."""
    client = stack.client
    hooks = [
        {key: hook[key] for key in ("id", "url", "headers", "is_active")}
        for hook in client.webhooks(project.id)
    ]
    views = [view["id"] for view in client.views(project.id)]
    backends = [
        {key: item[key] for key in ("id", "url", "auth_method")} for item in client.ml_backends(project.id)
    ]
    return [client.project(project.id), hooks, views, backends, client.versions(project.id)]


def test_all_is_well(stack: Stack, project: CellProject) -> None:
    """Nothing to fix, and for people one line a thing."""
    assert doctor(project) == (0, {}, {})
    done = shell(f"python -m backend doctor --project {project.id}")
    assert done.exit_code == 0
    for part in (
        "version 1.23.2 at",
        "legacy token of",
        "the append-only file is on",
        "for trainings and rounds",
        "'Doctor', 4 tasks",
    ):
        assert part in done.stdout
    assert stack.settings.own_url in done.stdout
    assert (stack.settings.basic_auth or ("", ""))[1] not in done.stdout


def test_a_broken_connection_is_mended_by_the_command(stack: Stack, project: CellProject) -> None:
    """Webhook without its header, a bare second one, another sampling and no tab:
    found, not touched, and fixed by connecting."""
    client = stack.client
    [hook] = client.webhooks(project.id)
    with nobody_mends(project):
        client.update_webhook(hook["id"], headers={})
        client.create_webhook(project.id, hook["url"], {})
        client.create_webhook(project.id, "http://127.0.0.1:9/webhook", {})
        client.update_project(project.id, sampling="Sequential sampling")
        for view in client.views(project.id):
            client.delete_view(view["id"])
        before = configured(stack, project)
        code, service, found = doctor(project)
        assert configured(stack, project) == before
        assert (code, service) == (FIX, {})
        assert {subject: each["severity"] for subject, each in found.items()} == {
            "webhook": "warning",
            "sampling": "error",
            "tab": "warning",
        }
        assert "http://127.0.0.1:9/webhook" in found["webhook"]["text"]
        assert {found[subject]["remedy"] for subject in ("sampling", "tab")} == {
            f"python -m backend connect --project {project.id}"
        }
        assert shell(found["sampling"]["remedy"]).exit_code == 0
        left = doctor(project)
        assert (left[0], list(left[2])) == (0, ["webhook"])  # the foreign one is a person's to delete
        client.delete_webhook(
            next(hook["id"] for hook in client.webhooks(project.id) if ":9/" in hook["url"])
        )
        assert doctor(project) == (0, {}, {})


def test_an_order_that_is_not_served_is_mended_by_the_command(stack: Stack, project: CellProject) -> None:
    """Predictions that were deleted, and tasks without a place."""
    with nobody_mends(project):
        stack.client.delete_version(project.id, read_status(project.id)["round"]["name"])
        code, _, found = doctor(project)
        assert (code, list(found)) == (FIX, ["order"])
        assert found["order"]["remedy"] == f"python -m backend recompute --project {project.id} --wait"
        assert shell(found["order"]["remedy"]).exit_code == 0
        assert doctor(project) == (0, {}, {})

        image = stack.server.address(project.folder / project.pool.ids[7])
        stack.http.post(
            f"/api/projects/{project.id}/import", json=[{"data": {"image": image}}]
        ).raise_for_status()
        code, _, found = doctor(project)
        assert (code, list(found), found["order"]["severity"]) == (0, ["order"], "warning")
        assert "1 of 5 open tasks" in found["order"]["text"]
        assert shell(found["order"]["remedy"]).exit_code == 0
        assert doctor(project) == (0, {}, {})


def test_a_failed_job_is_mended_by_the_command(stack: Stack, project: CellProject) -> None:
    """The next success takes the finding away."""
    del stack
    open_context(project.id).note_error("training", "a-job", "ImageError: task 3 is a film")
    code, _, found = doctor(project)
    assert (code, list(found)) == (FIX, ["jobs"])
    assert "is a film" in found["jobs"]["text"]
    assert shell(found["jobs"]["remedy"]).exit_code == 0
    assert doctor(project) == (0, {}, {})


def test_an_image_that_is_gone(stack: Stack, project: CellProject) -> None:
    """The task is named; a cached copy does not hide it."""
    folder = project.folder
    task = stack.client.task(read_status(project.id)["next_tasks"][0]["task"]) or {}
    image = folder / task["data"]["image"].rsplit("/", 1)[1]
    beside = image.with_suffix(".gone")
    image.rename(beside)
    try:
        code, _, found = doctor(project)
        assert (code, list(found)) == (FIX, ["images"])
        assert "no such local file" in found["images"]["text"]
    finally:
        beside.rename(image)
    assert doctor(project) == (0, {}, {})


def test_two_annotations_a_task_and_an_unusable_configuration(stack: Stack, project: CellProject) -> None:
    """Clicks that fix are named where no command can."""
    fields = {"maximum_annotations": 2, "label_config": '<View><Text name="t" value="$image"/></View>'}
    before = {"maximum_annotations": 1, "label_config": stack.client.project(project.id).label_config}
    with nobody_mends(project):
        stack.http.patch(f"/api/projects/{project.id}", json=fields).raise_for_status()
        code, _, found = doctor(project)
        assert code == FIX
        assert (found["annotations"]["severity"], found["config"]["severity"]) == ("warning", "error")
        assert all("Settings" in found[subject]["remedy"] for subject in ("annotations", "config"))
        stack.http.patch(f"/api/projects/{project.id}", json=before).raise_for_status()
        stack.client.update_project(project.id, model_version=read_status(project.id)["round"]["name"])
        assert doctor(project) == (0, {}, {})


def test_one_thing_is_away_and_the_others_are_looked_at(stack: Stack, project: CellProject) -> None:
    """A wrong password, a wrong key, a key of the other kind, another program at the address, a Redis and a
    Label Studio that are away."""
    other = {"BASIC_AUTH_PASS": "another password"}
    code, service, found = doctor(project, **other)
    assert (code, list(service)) == (FIX, ["basic auth"])
    assert "another user or password" in service["basic auth"]["text"]
    assert {found["webhook"]["severity"], found["backend"]["severity"]} == {
        "error"
    }  # Label Studio has the password of the service

    code, service, found = doctor(project, LABEL_STUDIO_API_KEY="0" * 40)
    assert (code, list(service), list(found)) == (FIX, ["key"], ["project"])
    code, service, _ = doctor(project, BACKEND_URL=stack.server.url)
    assert (code, list(service)) == (FIX, ["web server"])
    assert "another program" in service["web server"]["text"]
    code, service, found = doctor(project, REDIS_URL="redis://127.0.0.1:9/0")
    assert (code, list(service), list(found)) == (FIX, ["redis"], ["project"])
    code, service, found = doctor(project, LABEL_STUDIO_URL="http://127.0.0.1:9")
    assert (code, list(service), list(found)) == (FIX, ["label studio"], ["project"])

    personal = create_personal_token(stack.server, create_user(stack.server, "doctor@example.com"))
    assert doctor(project, LABEL_STUDIO_API_KEY=personal) == (0, {}, {})
    assert "personal access token" in shell("python -m backend doctor", LABEL_STUDIO_API_KEY=personal).stdout
    unknown = shell("python -m backend doctor --project 987654 --json")
    assert unknown.exit_code == FIX
    assert "987654" in unknown.stdout


def test_masks_that_are_hidden_are_shown_again_by_the_command(stack: Stack, project: CellProject) -> None:
    """Label Studio then also forgets which order it serves; both come back at once."""
    with nobody_mends(project):
        stack.http.patch(
            f"/api/projects/{project.id}", json={"show_collab_predictions": False}
        ).raise_for_status()
        code, _, found = doctor(project)
        assert (code, list(found)) == (FIX, ["masks", "order"])
        assert found["masks"]["remedy"] == f"python -m backend connect --project {project.id}"
        assert shell(found["masks"]["remedy"]).exit_code == 0
        assert doctor(project) == (0, {}, {})


def test_a_project_without_tasks(stack: Stack, project: CellProject) -> None:
    """What Label Studio says to it, the columns of its database, is nothing for people;
    connecting it is no error."""
    body = {"title": "Doctor, no tasks", "label_config": project.config}
    number = int(stack.http.post("/api/projects", json=body).raise_for_status().json()["id"])
    empty = CellProject(number, project.pool, {})
    connect(stack, empty)
    code, _, found = doctor(empty)
    assert (code, list(found)) == (0, ["images"])
    assert (found["images"]["severity"], found["images"]["text"]) == ("warning", "no tasks yet")
