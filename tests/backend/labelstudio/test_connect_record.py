"""What connecting found in a project is recorded, so that it can be undone."""

from __future__ import annotations

import json
from pathlib import Path

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect import (
    BACKEND_TITLE,
    UNCERTAINTY,
    OwnService,
    Record,
    Severity,
    configure,
    disconnect,
    plan_connection,
    plan_disconnection,
)
from backend.store.storage import Storage
from tests.backend.labelstudio.conftest import AUTH, MakeProject, StubBackend
from tests.backend.labelstudio.test_connect import HEADER


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
    configure(client, project.id, stub_backend.own, record=record)
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
    configure(client, project.id, OwnService(stub_backend.url, ("lab", "another")), record=record)
    assert record.read() == first

    # A new password leaves the extra params as they are, and /setup is told no others meanwhile.
    chosen = {"budget": 7, "strategy": "random"}
    [connection] = client.ml_backends(project.id)
    client.update_ml_backend(
        int(connection["id"]), url=stub_backend.url, project=project.id, extra_params=chosen
    )
    stub_backend.calls.clear()
    configure(client, project.id, stub_backend.own, record=record)
    told = [body["extra_params"] for path, _, body in stub_backend.calls if path == "/setup"]
    assert told == [chosen] * len(told) != []

    # Disconnecting says what it will change, and brings all of that back; what a person has changed stays.
    again = {"url": f"{stub_backend.url}/", "title": BACKEND_TITLE, "extra_params": {"budget": 2}}
    client.create_ml_backend(project.id, **again)
    client.update_project(project.id, expert_instruction="Theirs by now")
    own = stub_backend.own
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
    assert record.extra_params == chosen, "those that were in force, not those of the second connection"
    # The next connect finds the project as it is now, and gives the connection its settings of before.
    told = plan_connection(client, project.id, own, record=record)
    assert any("'budget': 7" in each.text for each in told)
    configure(client, project.id, stub_backend.own, record=record)
    [connection] = client.ml_backends(project.id)
    assert (connection["extra_params"], record.extra_params) == (chosen, {})
    assert not record.disconnected
    assert record.read()["found"]["project"]["sampling"] == "Sequential sampling"


def test_settings_that_are_kept_are_no_record_of_the_project(tmp_path: Path) -> None:
    """Where a project that an early edition has connected is disconnected, and that is cut off."""
    record = Record(Storage(tmp_path), 1)
    record.keep_extra_params({"budget": 7})
    record.keep({"sampling": "Sequential sampling"}, [], [], [], first=True)
    assert record.read()["found"]["project"]["sampling"] == "Sequential sampling"
