"""Tests of connecting a project of a real Label Studio."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect import (
    TAB_TITLE,
    UNCERTAINTY,
    OwnService,
    Record,
    Severity,
    check,
    configure,
    plan_connection,
)
from backend.labelstudio.connect.project_credentials import connection_login, webhook_headers
from backend.store.storage import Storage
from tests.backend.labelstudio.conftest import AUTH, Annotator, MakeProject, StubBackend, add_tasks

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
    before = check(client, project.id, stub_backend.own)
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
    intended = plan_connection(client, project.id, stub_backend.own)
    assert len(intended) == len(changed)
    assert not any(each.overwrites for each in intended), "nobody has chosen Sequential sampling"
    assert client.ml_backends(project.id) == client.webhooks(project.id) == []

    done = configure(client, project.id, stub_backend.own)
    assert severities([*done]) == {"config": "ok", **changed, "masks": "ok", "annotations": "ok"}
    assert ("/setup", project_header(project.id)) in [(path, auth) for path, auth, _ in stub_backend.calls]
    for _ in range(2):
        assert {item.severity for item in configure(client, project.id, stub_backend.own)} == {Severity.OK}
    assert {item.severity for item in check(client, project.id, stub_backend.own)} == {Severity.OK}
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
        done = {item.subject: item for item in configure(client, project.id, stub_backend.own, record=record)}
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
        done = {item.subject: item for item in configure(client, project.id, stub_backend.own)}
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
    configure(client, project.id, stub_backend.own, order="v1.r1")
    client.update_project(project.id, show_collab_predictions=False)
    assert client.project(project.id).model_version == ""
    found = {item.subject: item for item in check(client, project.id, stub_backend.own, order="v1.r1")}[
        "masks"
    ]
    assert (found.severity, found.remedy) == (
        Severity.ERROR,
        f"python -m backend connect --project {project.id}",
    )
    done = configure(client, project.id, stub_backend.own, order="v1.r1")
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
        item for item in configure(client, project.id, stub_backend.own) if item.severity is Severity.WARNING
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
    configure(client, theirs.id, stub_backend.own)
    assert client.project_options(theirs.id)["expert_instruction"] == "<p>Nuclei <b>only</b>.</p>"

    project = make_project(1, expert_instruction="  ")
    record = Record(Storage(tmp_path), project.id)

    def connect(pages: str) -> str:
        own = OwnService(stub_backend.url, AUTH, pages)
        found = {item.subject: item for item in configure(client, project.id, own, record=record)}
        again = {item.severity for item in configure(client, project.id, own, record=record)}
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
        done = {item.subject: item for item in configure(client, project.id, stub_backend.own)}
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
    done = configure(client, project.id, stub_backend.own)
    assert {item.severity for item in done} == {Severity.OK, Severity.FIXED}
    assert client.views(project.id) == []
    add_tasks(http, project.id, 2)
    configure(client, project.id, stub_backend.own)
    first = client.views(project.id)[0]
    assert first["data"]["title"] == TAB_TITLE
    assert (
        http.get("/api/tasks", params={"view": first["id"], "project": project.id})
        .raise_for_status()
        .json()["total"]
        == 2
    )


def everything(client: LabelStudio, project: int) -> list[object]:
    """All of a project that connecting could change."""
    return [
        client.project_options(project),
        client.webhooks(project),
        client.ml_backends(project),
        client.views(project),
    ]
