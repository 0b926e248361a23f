"""How Label Studio's webhook and connection get the service's password, and nobody else does."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect import OwnService, Severity, configure
from backend.labelstudio.connect.project_credentials import webhook_headers
from tests.backend.labelstudio.conftest import AUTH, Annotator, MakeProject, StubBackend
from tests.backend.labelstudio.test_connect import HEADER, project_header
from tests.waiting import eventually


def test_connecting_by_hand_leaves_a_bare_webhook_that_gets_its_header(
    client: LabelStudio,
    http: httpx.Client,
    make_project: MakeProject,
    stub_backend: StubBackend,
    annotators: list[Annotator],
) -> None:
    project = make_project(2)
    body = {"project": project.id, "url": stub_backend.url, "title": "by hand", "auth_method": "BASIC_AUTH"}
    http.post(
        "/api/ml", json={**body, "basic_auth_user": AUTH[0], "basic_auth_pass": AUTH[1]}
    ).raise_for_status()
    [bare] = client.webhooks(project.id)
    assert bare["headers"] == {}
    annotators[0].submit(project.tasks[0])
    assert (None, "ANNOTATION_CREATED") in stub_backend.events()

    done = {item.subject: item for item in configure(client, project.id, stub_backend.own)}
    assert (done["webhook"].severity, done["backend"].severity) == (Severity.FIXED, Severity.FIXED)
    [hook] = client.webhooks(project.id)
    assert (hook["id"], hook["headers"]) == (bare["id"], webhook_headers(AUTH, project.id))
    stub_backend.calls.clear()
    annotators[0].submit(project.tasks[1])
    assert eventually(stub_backend.events)
    assert stub_backend.events() == [(hook["headers"]["Authorization"], "ANNOTATION_CREATED")]


def test_what_every_member_can_read_in_label_studio_holds_no_password(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend, annotators: list[Annotator]
) -> None:
    """Neither the connection nor the webhook;
    one of yesterday, that showed it, is changed, and it is told to choose another."""
    project = make_project(1)
    client.create_webhook(project.id, f"{stub_backend.url}/webhook", {"Authorization": HEADER})
    [told] = [item for item in configure(client, project.id, stub_backend.own) if item.subject == "webhook"]
    assert (told.severity, "set a new BASIC_AUTH_PASS" in told.text) == (Severity.FIXED, True)
    for path in ("/api/webhooks/", "/api/ml"):
        shown = annotators[0].http.get(path, params={"project": project.id}).raise_for_status().text
        assert stub_backend.url in shown
        assert AUTH[1] not in shown
        assert HEADER.removeprefix("Basic ") not in shown


def test_who_leads_the_connection_elsewhere_is_not_sent_the_password(
    client: LabelStudio,
    http: httpx.Client,
    make_project: MakeProject,
    stub_backend: StubBackend,
    annotators: list[Annotator],
) -> None:
    """Label Studio lets every member do that, and sends what the connection holds:
    nothing that opens another project, also where a person had typed the password in."""
    project = make_project(1)
    body = {"project": project.id, "url": stub_backend.url, "auth_method": "BASIC_AUTH"}
    typed = {**body, "basic_auth_user": AUTH[0], "basic_auth_pass": AUTH[1]}
    made = http.post("/api/ml", json=typed).raise_for_status().json()
    configure(client, project.id, stub_backend.own)
    sent: list[str] = []

    class Theirs(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(str(self.headers.get("Authorization")))
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "UP", "model_version": "v1"}')

        do_POST = do_GET

    with ThreadingHTTPServer(("127.0.0.1", 0), Theirs) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        theirs = {"project": project.id, "url": f"http://127.0.0.1:{server.server_port}"}
        annotators[0].http.patch(f"/api/ml/{made['id']}", json=theirs).raise_for_status()
        server.shutdown()
    assert project_header(project.id) in sent
    assert HEADER not in sent


def test_a_second_webhook_is_removed_and_other_peoples_stay(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    project = make_project(1)
    theirs = client.create_webhook(project.id, "http://127.0.0.1:9/webhook", {})
    first = client.create_webhook(
        project.id, f"{stub_backend.url}/webhook", webhook_headers(AUTH, project.id)
    )
    client.create_webhook(project.id, f"{stub_backend.url}/webhook", {})
    done = [item for item in configure(client, project.id, stub_backend.own) if item.subject == "webhook"]
    assert [item.severity for item in done] == [Severity.FIXED]
    assert "second webhook" in done[0].text
    assert sorted(hook["id"] for hook in client.webhooks(project.id)) == sorted([theirs["id"], first["id"]])


def test_a_changed_password_is_told_to_label_studio(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    project = make_project(1)
    configure(client, project.id, OwnService(stub_backend.url, ("lab", "old")))
    stub_backend.calls.clear()
    done = configure(client, project.id, stub_backend.own)
    assert {item.subject for item in done if item.severity is Severity.FIXED} == {"webhook", "backend"}
    assert ("/setup", project_header(project.id)) in [(path, auth) for path, auth, _ in stub_backend.calls]
    assert not any(AUTH[1] in item.text or HEADER in item.text for item in done)


def test_without_basic_auth_the_webhook_is_bare(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    project = make_project(1)
    configure(client, project.id, OwnService(stub_backend.url, None))
    assert [hook["headers"] for hook in client.webhooks(project.id)] == [{}]
    assert {item.severity for item in configure(client, project.id, OwnService(stub_backend.url, None))} == {
        Severity.OK
    }
