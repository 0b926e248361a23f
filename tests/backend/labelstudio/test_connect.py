"""Tests of connecting a project of a real Label Studio."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect import (
    BACKEND_TITLE,
    TAB_TITLE,
    UNCERTAINTY,
    OwnService,
    Record,
    Severity,
    check,
    configure,
    disconnect,
    plan_connection,
    plan_disconnection,
)
from backend.labelstudio.connect.project_credentials import connection_login, webhook_headers
from backend.store.storage import Storage
from tests.backend.labelstudio.conftest import Annotator, MakeProject, StubBackend, add_tasks
from tests.waiting import eventually
from tests.web_server import web_server

AUTH = ("lab", "open sesame")
HEADER = "Basic " + base64.b64encode(b"lab:open sesame").decode()


def project_header(project: int) -> str:
    """What Label Studio sends to the backend of a project."""
    return "Basic " + base64.b64encode(":".join(connection_login(AUTH, project)).encode()).decode()


def severities(findings: list[object]) -> dict[str, str]:
    return {finding.subject: str(finding.severity) for finding in findings}  # type: ignore[attr-defined]


def test_a_new_project_is_connected_and_configured_once(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    project = make_project(1, sampling="Sequential sampling")
    changed = dict.fromkeys(("webhook", "backend", "sampling", "instructions", "tab"), "fixed")
    before = check(client, project.id, stub_backend.url, AUTH)
    assert {item.subject for item in before if item.severity is Severity.ERROR} == {
        "webhook",
        "backend",
        "sampling",
    }
    assert {item.subject for item in before if item.severity is Severity.WARNING} == {"instructions", "tab"}
    assert all(
        item.remedy == f"python -m backend connect --project {project.id}"
        for item in before
        if item.severity is not Severity.OK
    )
    intended = plan_connection(client, project.id, OwnService(stub_backend.url, AUTH))
    assert len(intended) == len(changed)
    assert not any(each.overwrites for each in intended), "nobody has chosen Sequential sampling"
    assert client.ml_backends(project.id) == client.webhooks(project.id) == []

    done = configure(client, project.id, stub_backend.url, AUTH)
    assert severities([*done]) == {"config": "ok", **changed, "masks": "ok", "annotations": "ok"}
    assert ("/setup", project_header(project.id)) in [(path, auth) for path, auth, _ in stub_backend.calls]
    for _ in range(2):
        assert {item.severity for item in configure(client, project.id, stub_backend.url + "/", AUTH)} == {
            Severity.OK
        }
    assert {item.severity for item in check(client, project.id, stub_backend.url, AUTH)} == {Severity.OK}
    [hook] = client.webhooks(project.id)
    assert (hook["url"], hook["headers"]) == (
        f"{stub_backend.url}/webhook",
        webhook_headers(AUTH, project.id),
    )
    assert len(client.ml_backends(project.id)) == 1
    assert client.project(project.id).sampling == UNCERTAINTY
    [tab] = [view for view in client.views(project.id) if view["data"]["title"] == TAB_TITLE]
    assert tab["data"]["ordering"] == ["tasks:predictions_score"]
    assert [view["data"]["title"] for view in client.views(project.id)] == [TAB_TITLE, "Default"]


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

    done = {item.subject: item for item in configure(client, project.id, stub_backend.url, AUTH)}
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
    [told] = [
        item for item in configure(client, project.id, stub_backend.url, AUTH) if item.subject == "webhook"
    ]
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
    configure(client, project.id, stub_backend.url, AUTH)
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
    done = [
        item for item in configure(client, project.id, stub_backend.url, AUTH) if item.subject == "webhook"
    ]
    assert [item.severity for item in done] == [Severity.FIXED]
    assert "second webhook" in done[0].text
    assert sorted(hook["id"] for hook in client.webhooks(project.id)) == sorted([theirs["id"], first["id"]])


def test_a_changed_password_is_told_to_label_studio(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    project = make_project(1)
    configure(client, project.id, stub_backend.url, ("lab", "old"))
    stub_backend.calls.clear()
    done = configure(client, project.id, stub_backend.url, AUTH)
    assert {item.subject for item in done if item.severity is Severity.FIXED} == {"webhook", "backend"}
    assert ("/setup", project_header(project.id)) in [(path, auth) for path, auth, _ in stub_backend.calls]
    assert not any(AUTH[1] in item.text or HEADER in item.text for item in done)


def test_without_basic_auth_the_webhook_is_bare(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    project = make_project(1)
    configure(client, project.id, stub_backend.url, None)
    assert [hook["headers"] for hook in client.webhooks(project.id)] == [{}]
    assert {item.severity for item in configure(client, project.id, stub_backend.url, None)} == {Severity.OK}


def test_a_backend_that_does_not_answer_is_an_error_and_the_rest_is_configured(
    client: LabelStudio, make_project: MakeProject
) -> None:
    project = make_project(1, sampling="Sequential sampling")
    done = {item.subject: item for item in configure(client, project.id, "http://127.0.0.1:9", AUTH)}
    assert done["backend"].severity is Severity.ERROR
    assert "python -m backend up" in done["backend"].remedy
    assert done["backend"].text == "Label Studio does not reach http://127.0.0.1:9 (Connection refused)"
    assert client.ml_backends(project.id) == []
    assert done["sampling"].severity is done["tab"].severity is Severity.FIXED


def test_a_backend_that_is_down_after_connecting_is_told(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    project = make_project(1)
    configure(client, project.id, stub_backend.url, AUTH)
    stub_backend.status = 500
    done = {item.subject: item for item in check(client, project.id, stub_backend.url, AUTH)}
    assert done["backend"].severity is Severity.ERROR
    assert done["webhook"].severity is Severity.OK


def test_a_configuration_that_cannot_be_used_changes_nothing(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend, tmp_path: Path
) -> None:
    """Boxes only, no image, no control that draws, broken XML in all but name:
    what is wrong is said, and the network is not blamed."""
    boxes = (
        '<View><Image name="i" value="$image"/><RectangleLabels name="r" toName="i"><Label'
        ' value="a"/></RectangleLabels></View>'
    )
    no_image = '<View><Text name="t" value="$image"/></View>'
    points = (
        '<View><Image name="i" value="$image"/><KeyPointLabels name="k" toName="i"><Label'
        ' value="a"/></KeyPointLabels></View>'
    )
    for config, told in (
        (boxes, "draws only with RectangleLabels"),
        (no_image, "no Image"),
        (points, "only KeyPointLabels"),
    ):
        project = make_project(1, config=config, sampling="Sequential sampling", maximum_annotations=2)
        before = everything(client, project.id)
        record = Record(Storage(tmp_path), project.id)
        done = {
            item.subject: item
            for item in configure(client, project.id, stub_backend.url, AUTH, record=record)
        }
        assert everything(client, project.id) == before
        assert record.read() == {}
        assert stub_backend.calls == []
        assert told in done["config"].text
        assert done["config"].severity is done["backend"].severity is Severity.ERROR
        assert "nothing was changed" in done["backend"].text
        assert not any("reaches it" in item.remedy or "SUBNETS" in item.remedy for item in done.values())
        assert "labelled 2 times" in done["annotations"].text


def test_what_the_backend_refuses_is_not_blamed_on_the_network(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    """A wrong password and a /setup that is refused each name what fixes them."""
    project = make_project(1)
    for refused, status, remedy in (
        ("extra params", 200, "correct what the reason names"),
        ("", 401, "export the BASIC_AUTH_USER"),
    ):
        stub_backend.refused, stub_backend.status = refused, status
        done = {item.subject: item for item in configure(client, project.id, stub_backend.url, AUTH)}
        assert done["backend"].remedy.startswith(remedy)
        assert done["backend"].text.startswith(stub_backend.url)
        assert "non_field" not in done["backend"].text
        assert client.webhooks(project.id) == []


def test_masks_that_are_hidden_are_shown_again(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend, annotators: list[Annotator]
) -> None:
    """Label Studio forgets the order when the switch is turned off; both come back."""
    project = make_project(2)
    regions = [
        {
            "type": "brushlabels",
            "from_name": "labels",
            "to_name": "image",
            "value": {"brushlabels": ["Axon"], "rle": [1]},
        }
    ]
    row = {"result": regions, "model_version": "v1.r1"}
    rows = [{**row, "task": project.tasks[0], "score": 0.6}, {**row, "task": project.tasks[1], "score": 0.3}]
    client.import_predictions(project.id, rows)
    client.switch_version(project.id, "v1.r1")
    configure(client, project.id, stub_backend.url, AUTH, order="v1.r1")
    client.update_project(project.id, show_collab_predictions=False)
    assert client.project(project.id).model_version == ""
    found = {item.subject: item for item in check(client, project.id, stub_backend.url, AUTH, order="v1.r1")}[
        "masks"
    ]
    assert (found.severity, found.remedy) == (
        Severity.ERROR,
        f"python -m backend connect --project {project.id}",
    )
    done = configure(client, project.id, stub_backend.url, AUTH, order="v1.r1")
    assert [item.subject for item in done if item.severity is Severity.FIXED] == ["masks"]
    served = annotators[1].client.next_task(project.id) or {}
    assert (served["id"], len(served["predictions"][0]["result"])) == (project.tasks[1], 1)


def test_what_else_hinders_annotators_is_told(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    """Each with the click that fixes it; a person's choice is not changed."""
    options = {
        "maximum_annotations": 2,
        "enable_empty_annotation": False,
        "min_annotations_to_start_training": 1,  # as the switch on the page writes it
    }
    project = make_project(1)
    client.update_project(project.id, **options)
    done = [
        item
        for item in configure(client, project.id, stub_backend.url, AUTH)
        if item.severity is Severity.WARNING
    ]
    assert [item.subject for item in done] == ["annotations"] * 3
    assert "labelled 2 times" in done[0].text
    assert "on annotation submission" in done[2].text
    assert all("Settings" in item.remedy for item in done)
    assert options.items() <= client.project_options(project.id).items()


def test_instructions_are_written_where_there_are_none(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend, tmp_path: Path
) -> None:
    """They are brought up to date while they are ours;
    a person's are never touched, and emptied ones stay empty."""
    theirs = make_project(1, expert_instruction="<p>Nuclei <b>only</b>.</p>")
    configure(client, theirs.id, stub_backend.url, AUTH)
    assert client.project_options(theirs.id)["expert_instruction"] == "<p>Nuclei <b>only</b>.</p>"

    project = make_project(1, expert_instruction="  ")
    record = Record(Storage(tmp_path), project.id)

    def connect(pages: str) -> str:
        own = OwnService(stub_backend.url, AUTH, pages)
        found = {
            item.subject: item
            for item in configure(client, project.id, own.url, AUTH, own=own, record=record)
        }
        again = {
            item.severity for item in configure(client, project.id, own.url, AUTH, own=own, record=record)
        }
        assert again == {Severity.OK}, "Label Studio keeps the text as it was written"
        assert found["instructions"].severity in (Severity.OK, Severity.FIXED)
        return str(client.project_options(project.id)["expert_instruction"])

    text = connect("https://queries.example.org")
    for part in (
        "Regions",
        "brush",
        "eraser",
        "Skip",
        "order",
        f'href="https://queries.example.org/projects/{project.id}"',
    ):
        assert part in text
    assert f'href="http://lab:9090/projects/{project.id}"' in connect("http://lab:9090")
    client.update_project(project.id, expert_instruction="My own words")
    assert connect("https://queries.example.org") == "My own words"
    client.update_project(project.id, expert_instruction="")
    assert connect("https://queries.example.org") == ""


def test_the_tab_of_an_earlier_edition_is_brought_to_the_new_form(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    """Only if no person has changed it, who may have wanted the columns."""
    hidden = ["annotations_results", "predictions_results", "file_upload", "storage_filename", "updated_by"]
    hidden = [f"tasks:{name}" for name in hidden]
    item = {"filter": "filter:tasks:total_annotations", "operator": "equal", "type": "Number", "value": 0}
    yesterday = {
        "title": TAB_TITLE,
        "type": "list",
        "target": "tasks",
        "ordering": ["tasks:predictions_score"],
        "gridWidth": 4,
        "columnsDisplayType": {"tasks:predictions_score": "Number"},
        "hiddenColumns": {"explore": hidden, "labeling": hidden},
        "filters": {"conjunction": "and", "items": [item]},
    }
    for changed in ({}, {"hiddenColumns": {"explore": hidden[1:], "labeling": hidden}}, {"type": "grid"}):
        project = make_project(1)
        client.create_view(project.id, {"title": "Theirs", "type": "list", "target": "tasks"})
        client.create_view(project.id, {**yesterday, **changed})
        done = {item.subject: item for item in configure(client, project.id, stub_backend.url, AUTH)}
        views = client.views(project.id)
        titles = [view["data"]["title"] for view in views]
        if changed:
            assert (done["tab"].severity, titles) == (Severity.OK, ["Theirs", TAB_TITLE])
            assert changed.items() <= views[1]["data"].items()
        else:
            assert (done["tab"].severity, titles) == (Severity.FIXED, [TAB_TITLE, "Theirs"])
            assert views[0]["data"]["type"] == "grid"
            assert "tasks:predictions_score" in views[0]["data"]["hiddenColumns"]["explore"]
            assert "tasks:image" not in views[0]["data"]["hiddenColumns"]["explore"]
            assert views[0]["data"]["filters"]["items"] == [item]


def test_a_project_without_tasks_gets_its_tab_later(
    client: LabelStudio, http: httpx.Client, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    """Label Studio answers 500 to a tab that orders no tasks by their scores, and ours is the first that
    people see."""
    project = make_project(0)
    done = configure(client, project.id, stub_backend.url, AUTH)
    assert {item.severity for item in done} == {Severity.OK, Severity.FIXED}
    assert client.views(project.id) == []
    add_tasks(http, project.id, 2)
    configure(client, project.id, stub_backend.url, AUTH)
    first = client.views(project.id)[0]
    assert first["data"]["title"] == TAB_TITLE
    assert (
        http.get("/api/tasks", params={"view": first["id"], "project": project.id})
        .raise_for_status()
        .json()["total"]
        == 2
    )


@pytest.mark.parametrize(
    "address",
    ["http://LOCALHOST:{port}/", "http://127.0.0.1:{port}", "http://someone:secret@localhost:{port}", ""],
)
def test_one_service_has_one_connection_under_whatever_name(
    client: LabelStudio,
    http: httpx.Client,
    make_project: MakeProject,
    stub_backend: StubBackend,
    address: str,
) -> None:
    """Connected by hand with extra params:
    they stay, no second connection is made, and that of an earlier edition goes.

    "" stands for a name that only /health can tell.
    """
    port = stub_backend.url.rsplit(":", 1)[1]
    own, by_hand = OwnService(stub_backend.url, AUTH), address.format(port=port) or stub_backend.url
    if not address:
        stub_backend.instance = "of-this-test"
        own = OwnService("http://lab.invalid:9090", AUTH, instance=stub_backend.instance)
    project = make_project(1)
    body = {
        "project": project.id,
        "url": by_hand,
        "title": "by hand",
        "extra_params": {"budget": 7},
        "auth_method": "BASIC_AUTH",
    }
    http.post(
        "/api/ml", json={**body, "basic_auth_user": AUTH[0], "basic_auth_pass": AUTH[1]}
    ).raise_for_status()
    theirs = client.create_webhook(project.id, "http://127.0.0.1:9/webhook", {})
    for second in (False, True):
        if second:  # as an earlier edition made it
            client.create_ml_backend(
                project.id, url=f"{stub_backend.url}/", title=BACKEND_TITLE, auth_method="NONE"
            )
            told = {item.subject: item for item in check(client, project.id, own.url, AUTH, own=own)}
            assert "connected twice" in told["backend"].text
        configure(client, project.id, own.url, AUTH, own=own)
        [backend] = client.ml_backends(project.id)
        assert (backend["title"], backend["url"], backend["extra_params"]) == (
            "by hand",
            by_hand,
            {"budget": 7},
        )
        hooks = {hook["id"]: hook for hook in client.webhooks(project.id)}
        assert hooks.pop(theirs["id"])["headers"] == {}
        assert [hook["headers"] for hook in hooks.values()] == [webhook_headers(AUTH, project.id)]
        assert {item.severity for item in check(client, project.id, own.url, AUTH, own=own)} == {Severity.OK}


def test_other_peoples_connections_stay(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    """Another service of the same kind, with a title like ours, is not taken for this one;
    ours is made beside it, and both are told."""
    stub_backend.instance = "of-another"
    project = make_project(1)
    own = OwnService("http://127.0.0.1:9", AUTH, instance="mine")
    theirs = client.create_ml_backend(
        project.id, url=stub_backend.url, title=BACKEND_TITLE, extra_params={"budget": 2}
    )
    done = {item.subject: item for item in configure(client, project.id, own.url, AUTH, own=own)}
    assert done["backend"].severity is Severity.ERROR  # nothing answers at ours
    assert [item["id"] for item in client.ml_backends(project.id)] == [theirs["id"]]
    assert [hook["url"] for hook in client.webhooks(project.id)] == [f"{stub_backend.url}/webhook"]


def test_a_connection_follows_the_service_to_another_address(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend, tmp_path: Path
) -> None:
    """Another PORT or BACKEND_URL:
    the connection that was made here is moved with its extra params, and its webhook with it."""
    project = make_project(1)
    record = Record(Storage(tmp_path), project.id)
    with web_server(lambda _: (200, {}, b'{"status": "UP"}')) as port:
        before = f"http://127.0.0.1:{port}"
        configure(client, project.id, before, None, record=record)
    [made] = client.ml_backends(project.id)
    done = {
        item.subject: item for item in configure(client, project.id, stub_backend.url, AUTH, record=record)
    }
    assert done["backend"].severity is Severity.FIXED
    [moved] = client.ml_backends(project.id)
    assert (moved["id"], moved["url"], moved["state"]) == (made["id"], stub_backend.url, "CO")
    assert [hook["url"] for hook in client.webhooks(project.id)] == [f"{stub_backend.url}/webhook"]
    assert {item.severity for item in check(client, project.id, stub_backend.url, AUTH, record=record)} == {
        Severity.OK
    }


def test_what_was_there_before_is_recorded_once(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend, tmp_path: Path
) -> None:
    """All that undoing takes, without passwords;
    a second connect does not take our own values for the lab's."""
    project = make_project(1, sampling="Sequential sampling", expert_instruction="")
    client.update_project(project.id, show_collab_predictions=False)
    hook = client.create_webhook(project.id, "http://127.0.0.1:9/theirs", {"X-Token": "secret-of-theirs"})
    tab = client.create_view(project.id, {"title": "Theirs", "type": "list", "target": "tasks"})
    record = Record(Storage(tmp_path), project.id)
    configure(client, project.id, stub_backend.url, AUTH, record=record)
    first = record.read()
    found = first["found"]
    options = {
        "sampling": "Sequential sampling",
        "show_collab_predictions": False,
        "expert_instruction": "",
        "model_version": "",
    }
    assert options.items() <= found["project"].items()
    assert [(each["id"], each["headers"]) for each in found["webhooks"]] == [(hook["id"], ["X-Token"])]
    assert ([each["id"] for each in found["views"]], found["ml_backends"], first["first"]) == (
        [tab["id"]],
        [],
        True,
    )
    assert first["made"]["ml_backends"] == [each["id"] for each in client.ml_backends(project.id)]
    assert set(first["made"]["webhooks"]) == {each["id"] for each in client.webhooks(project.id)} - {
        hook["id"]
    }
    assert set(first["made"]["views"]) == {each["id"] for each in client.views(project.id)} - {tab["id"]}
    assert first["set"]["sampling"] == UNCERTAINTY
    for secret in (AUTH[1], HEADER, "secret-of-theirs"):
        assert secret not in json.dumps(first)
    configure(client, project.id, stub_backend.url, ("lab", "another"), record=record)
    assert record.read() == first

    # Disconnecting says what it will change, and brings all of that back; what a person has changed stays.
    chosen = {"budget": 7, "strategy": "random"}
    [connection] = client.ml_backends(project.id)
    client.update_ml_backend(
        int(connection["id"]), url=stub_backend.url, project=project.id, extra_params=chosen
    )
    client.update_project(project.id, expert_instruction="Theirs by now")
    own = OwnService(stub_backend.url, AUTH)
    plan = plan_disconnection(client, project.id, own, record)
    assert any("sampling" in change.text for change in plan.changes)
    assert not any("<" in change.text for change in plan.changes)
    assert any("'budget': 7" in change.text for change in plan.changes)
    assert plan.stays == ["the labelling instructions: a person has changed it since"]
    assert {each.severity for each in disconnect(plan)} == {Severity.FIXED}
    assert client.ml_backends(project.id) == []
    assert [each["id"] for each in client.webhooks(project.id)] == [hook["id"]]
    assert [each["id"] for each in client.views(project.id)] == [tab["id"]]
    now = client.project_options(project.id)
    assert {**options, "expert_instruction": "Theirs by now"}.items() <= now.items()
    assert plan_disconnection(client, project.id, own, record).changes == []
    record.put_aside()
    assert record.disconnected
    # The next connect finds the project as it is now, and gives the connection its settings of before.
    told = plan_connection(client, project.id, own, record=record)
    assert any("'budget': 7" in each.text for each in told)
    configure(client, project.id, stub_backend.url, AUTH, record=record)
    [connection] = client.ml_backends(project.id)
    assert (connection["extra_params"], record.extra_params) == (chosen, {})
    assert not record.disconnected
    assert record.read()["found"]["project"]["sampling"] == "Sequential sampling"


def test_names_of_one_address() -> None:
    """The spelling does not matter; another port, path or host does."""
    own = OwnService(
        "http://127.0.0.1:9090", names=("http://lab-server:9090/", "https://queries.example.org/al")
    )
    for url in (
        "http://localhost:9090",
        "HTTP://[::1]:9090/",
        "http://Lab-Server:9090",
        "https://queries.example.org:443/al/",
    ):
        assert own.is_at(url), url
    for url in (
        "http://127.0.0.1:9091",
        "https://127.0.0.1:9090",
        "https://queries.example.org",
        "http://lab:9090",
        "http://[",
        "",
    ):
        assert not own.is_at(url), url
    assert own.is_hook({"url": "http://localhost:9090/webhook/"})
    assert not own.is_hook({"url": "http://localhost:9090/webhooks"})
    assert not own.is_hook({"url": "http://localhost:9090"})


def everything(client: LabelStudio, project: int) -> list[object]:
    """All of a project that connecting could change."""
    return [
        client.project_options(project),
        client.webhooks(project),
        client.ml_backends(project),
        client.views(project),
    ]
