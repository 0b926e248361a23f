"""Tests of connecting a project of a real Label Studio."""

from __future__ import annotations

import base64
import time

import httpx

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect import TAB_TITLE, UNCERTAINTY, Severity, check, configure
from tests.backend.labelstudio.conftest import Annotator, MakeProject, StubBackend

AUTH = ("lab", "open sesame")
HEADER = "Basic " + base64.b64encode(b"lab:open sesame").decode()


def severities(findings: list[object]) -> dict[str, str]:
    return {finding.subject: str(finding.severity) for finding in findings}  # type: ignore[attr-defined]


def test_a_new_project_is_connected_and_configured_once(client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend) -> None:
    project = make_project(1, sampling="Sequential sampling")
    before = check(client, project.id, stub_backend.url, AUTH)
    assert {item.subject for item in before if item.severity is Severity.ERROR} == {"webhook", "backend", "sampling"}
    assert all(item.remedy == f"python -m backend connect --project {project.id}" for item in before if item.severity is Severity.ERROR)
    assert client.ml_backends(project.id) == client.webhooks(project.id) == []

    done = configure(client, project.id, stub_backend.url, AUTH)
    changed = {"webhook": "mended", "backend": "mended", "sampling": "mended", "tab": "mended"}
    assert severities([*done]) == {"config": "ok", **changed, "annotations": "ok"}
    assert [(path, auth) for path, auth, _ in stub_backend.calls if path in ("/health", "/setup")].count(("/setup", HEADER)) > 0
    for _ in range(2):
        assert {item.severity for item in configure(client, project.id, stub_backend.url + "/", AUTH)} == {Severity.OK}
    assert {item.severity for item in check(client, project.id, stub_backend.url, AUTH)} == {Severity.OK}
    [hook] = client.webhooks(project.id)
    assert (hook["url"], hook["headers"]) == (f"{stub_backend.url}/webhook", {"Authorization": HEADER})
    assert len(client.ml_backends(project.id)) == 1
    assert client.project(project.id).sampling == UNCERTAINTY
    [tab] = [view for view in client.views(project.id) if view["data"]["title"] == TAB_TITLE]
    assert tab["data"]["ordering"] == ["tasks:predictions_score"]
    assert len(client.views(project.id)) == 2


def test_connecting_by_hand_leaves_a_bare_webhook_that_gets_its_header(
    client: LabelStudio, http: httpx.Client, make_project: MakeProject, stub_backend: StubBackend, annotators: list[Annotator]
) -> None:
    project = make_project(2)
    body = {"project": project.id, "url": stub_backend.url, "title": "by hand", "auth_method": "BASIC_AUTH"}
    http.post("/api/ml", json={**body, "basic_auth_user": AUTH[0], "basic_auth_pass": AUTH[1]}).raise_for_status()
    [bare] = client.webhooks(project.id)
    assert bare["headers"] == {}
    annotators[0].submit(project.tasks[0])
    assert (None, "ANNOTATION_CREATED") in stub_backend.events()

    done = {item.subject: item for item in configure(client, project.id, stub_backend.url, AUTH)}
    assert (done["webhook"].severity, done["backend"].severity) == (Severity.MENDED, Severity.OK)
    [hook] = client.webhooks(project.id)
    assert (hook["id"], hook["headers"]) == (bare["id"], {"Authorization": HEADER})
    stub_backend.calls.clear()
    annotators[0].submit(project.tasks[1])
    deadline = time.monotonic() + 5
    while not stub_backend.events() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert stub_backend.events() == [(HEADER, "ANNOTATION_CREATED")]


def test_a_second_webhook_is_removed_and_other_peoples_stay(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    project = make_project(1)
    theirs = client.create_webhook(project.id, "http://127.0.0.1:9/webhook", {})
    first = client.create_webhook(project.id, f"{stub_backend.url}/webhook", {"Authorization": HEADER})
    client.create_webhook(project.id, f"{stub_backend.url}/webhook", {})
    done = [item for item in configure(client, project.id, stub_backend.url, AUTH) if item.subject == "webhook"]
    assert [item.severity for item in done] == [Severity.MENDED]
    assert "second webhook" in done[0].text
    assert sorted(hook["id"] for hook in client.webhooks(project.id)) == sorted([theirs["id"], first["id"]])


def test_a_changed_password_is_told_to_label_studio(client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend) -> None:
    project = make_project(1)
    configure(client, project.id, stub_backend.url, ("lab", "old"))
    stub_backend.calls.clear()
    done = configure(client, project.id, stub_backend.url, AUTH)
    assert {item.subject for item in done if item.severity is Severity.MENDED} == {"webhook", "backend"}
    assert ("/setup", HEADER) in [(path, auth) for path, auth, _ in stub_backend.calls]
    assert not any(AUTH[1] in item.text or HEADER in item.text for item in done)


def test_without_basic_auth_the_webhook_is_bare(client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend) -> None:
    project = make_project(1)
    configure(client, project.id, stub_backend.url, None)
    assert [hook["headers"] for hook in client.webhooks(project.id)] == [{}]
    assert {item.severity for item in configure(client, project.id, stub_backend.url, None)} == {Severity.OK}


def test_a_backend_that_does_not_answer_is_an_error_and_the_rest_is_configured(client: LabelStudio, make_project: MakeProject) -> None:
    project = make_project(1, sampling="Sequential sampling")
    done = {item.subject: item for item in configure(client, project.id, "http://127.0.0.1:9", AUTH)}
    assert done["backend"].severity is Severity.ERROR
    assert "python -m backend up" in done["backend"].remedy
    assert client.ml_backends(project.id) == []
    assert done["sampling"].severity is done["tab"].severity is Severity.MENDED


def test_a_backend_that_is_down_after_connecting_is_told(client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend) -> None:
    project = make_project(1)
    configure(client, project.id, stub_backend.url, AUTH)
    stub_backend.status = 500
    done = {item.subject: item for item in check(client, project.id, stub_backend.url, AUTH)}
    assert done["backend"].severity is Severity.ERROR
    assert done["webhook"].severity is Severity.OK


def test_what_hinders_the_order_is_told(client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend) -> None:
    project = make_project(1, maximum_annotations=2, config='<View><Text name="t" value="$image"/></View>')
    done = {item.subject: item for item in configure(client, project.id, stub_backend.url, AUTH)}
    assert done["annotations"].severity is Severity.WARNING
    assert "labelled 2 times" in done["annotations"].text
    assert done["config"].severity is Severity.ERROR
    assert "no Image" in done["config"].text
