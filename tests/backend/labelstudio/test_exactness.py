"""Tests that what Label Studio tells is read, and written back, exactly: the SDK's models are of one version
of it, and know neither all fields nor their forms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from backend.labelstudio.client import LABELLED, LABELS, LISTED, UNLABELLED, LabelStudio, Query
from backend.labelstudio.http.answers import Filter
from tests.backend.labelstudio.conftest import Annotator, MakeProject, StubBackend

TAB = {
    "title": "Theirs",
    "type": "list",
    "target": "tasks",
    "ordering": ["-tasks:created_at"],
    "filters": {
        "conjunction": "and",
        "items": [
            {"filter": "filter:tasks:id", "operator": "in", "type": "Number", "value": {"min": 1, "max": 9}}
        ],
    },
    "columnsDisplayType": {"tasks:data.depth": "Number"},
    "ofAnotherVersion": {"none": None, "since": "2026-01-01T00:00:00Z", "half": 0.5, "selected_items": [{}]},
    "of_another_version": [],
}


def test_a_tab_keeps_what_the_sdk_does_not_know(
    client: LabelStudio, http: httpx.Client, make_project: MakeProject
) -> None:
    project = make_project(1)
    http.post("/api/dm/views/", json={"project": project.id, "data": TAB}).raise_for_status()

    def stored() -> list[dict[str, object]]:
        answer = http.get("/api/dm/views/", params={"project": project.id})
        return list(answer.raise_for_status().json())

    (view,) = client.views(project.id)
    assert [view] == stored()
    assert view["data"] == TAB
    client.update_view(project.id, view["id"], {**view["data"], "title": "Ours"})
    assert stored() == [{**view, "data": {**TAB, "title": "Ours"}}]
    made = client.create_view(project.id, TAB)
    assert made["data"] == TAB
    assert made in stored()


def test_a_connection_and_a_webhook_are_told_as_they_are(
    client: LabelStudio, http: httpx.Client, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    project = make_project(1)
    query = {"project": project.id}
    params = {"budget": 5, "note": None, "since": "2026-01-01T00:00:00Z", "of": [{"another": "version"}]}
    made = client.create_ml_backend(project.id, url=stub_backend.url, title="Ours", extra_params=params)
    hook = client.create_webhook(project.id, f"{stub_backend.url}/webhook", {"Authorization": "x", "X": ""})
    (told,) = client.ml_backends(project.id)
    (raw,) = http.get("/api/ml/", params=query).json()
    raw["updated_at"] = dict(told)["updated_at"]  # listing them changes it
    assert told == raw
    assert client.webhooks(project.id) == http.get("/api/webhooks/", params=query).json()
    client.update_ml_backend(made["id"], url=stub_backend.url, project=project.id, title="Theirs")
    client.update_webhook(hook["id"], is_active=False)
    (kept,) = client.ml_backends(project.id)
    assert (kept["extra_params"], kept["title"]) == (params, "Theirs")
    changed = next(each for each in client.webhooks(project.id) if each["id"] == hook["id"])
    assert changed["headers"] == {"Authorization": "x", "X": ""}
    options = client.project_options(project.id)
    assert options == http.get(f"/api/projects/{project.id}/").json()
    assert client.set_project_options(project.id, description=None)["description"] is None


def test_tasks_are_told_as_they_are(
    client: LabelStudio, http: httpx.Client, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    """Times among it, which are compared as text, and skips, whose annotators have another form than the SDK
    expects. The columns that are asked for have what Label Studio tells unasked."""
    project = make_project(4)
    row = {"model_version": "v1.r1", "result": []}
    client.import_predictions(
        project.id, [{"task": task, "score": task / 10**6, **row} for task in project.tasks]
    )
    annotators[0].submit(project.tasks[0])
    annotators[1].skip(project.tasks[1])
    shown: Filter = {
        "filter": "filter:tasks:annotators",
        "operator": "not_contains",
        "type": "List",
        "value": 0,
    }
    cases: list[tuple[Query, Sequence[str]]] = [
        ([*UNLABELLED, shown], (*LISTED, "annotators")),
        (LABELLED, LABELS),
        ([shown], (*LABELS, "annotators")),
    ]
    for filters, columns in cases:
        found = client.query(project.id, filters, ordering=["tasks:id"], columns=columns)
        query = {"ordering": ["tasks:id"], "filters": {"conjunction": "and", "items": filters}}
        raw = http.get(
            "/api/tasks",
            params={
                "project": project.id,
                "fields": "all",
                "page_size": 500,
                "resolve_uri": "false",
                "query": json.dumps(query),
            },
        ).json()
        for task in raw["tasks"]:
            task["annotations"] = [_only(columns, each) for each in task["annotations"]]
        assert found["tasks"] == [_only(columns, task) for task in raw["tasks"]]
        assert found["total"] == raw["total"]
    assert client.task(project.tasks[0]) == http.get(f"/api/tasks/{project.tasks[0]}").json()


def _only(columns: Sequence[str], told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name in columns}
