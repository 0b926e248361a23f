"""A Label Studio that was set up anew, with the folder of another one: projects are numbered from 1 again."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.finding import Finding, Severity
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect import Record, configure, plan_disconnection
from backend.labelstudio.connect.record import is_older
from backend.project import connection
from backend.settings import read_settings
from backend.store.storage import Storage
from backend.store.version_history import Use, Uses
from backend.store.versions import now
from tests.backend.labelstudio.conftest import MakeProject, StubBackend

BEFORE = "2020-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("time", "created", "older"),
    [
        (BEFORE, "2020-01-02T00:00:00.123456Z", True),
        ("2020-01-01T23:30:00+00:00", "2020-01-02T00:00:00Z", False),  # the clocks differ
        ("2020-01-03T00:00:00+00:00", "2020-01-02T00:00:00Z", False),
        (BEFORE, None, False),
        (BEFORE, "2020-01-02T00:00:00", False),
        ("None", "2020-01-02T00:00:00Z", False),
    ],
)
def test_what_was_there_before_the_project_is_of_another_one(
    time: str, created: str | None, older: bool
) -> None:
    assert is_older(time, {"created_at": created}) is older


def test_the_record_of_another_project_is_put_aside(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend, tmp_path: Path
) -> None:
    """Or disconnecting would write that one's settings into this one."""
    project = make_project(1, sampling="Sequential sampling")
    storage = Storage(tmp_path)
    record, name = Record(storage, project.id), f"projects/{project.id}/connected.json"
    configure(client, project.id, stub_backend.own, record=record)
    theirs = record.read()
    theirs["found"]["project"]["sampling"] = "Uncertainty sampling"
    theirs["set"]["sampling"] = "Sequential sampling"
    storage.write_json(name, {**theirs, "time": BEFORE})
    client.update_project(project.id, sampling="Sequential sampling")
    plan = plan_disconnection(client, project.id, stub_backend.own, record)
    assert not any("sampling" in change.text for change in plan.changes)
    configure(client, project.id, stub_backend.own, record=record)
    assert record.read()["found"]["project"]["sampling"] == "Sequential sampling"
    assert record.read()["time"] > BEFORE
    assert storage.read_json(f"projects/{project.id}/disconnected.json") == {**theirs, "time": BEFORE}
    assert not record.disconnected


def test_models_of_another_project_are_told(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend, tmp_path: Path
) -> None:
    """By doctor, by connect, and on the page by the job that checks the connection."""
    project = make_project(1)
    settings = read_settings(model_dir=tmp_path, label_studio_url=client.url, label_studio_api_key="none")
    own = stub_backend.own

    def told() -> list[Finding]:
        configured, checked = (
            [each for each in look(settings, client, project.id, own) if "another project" in each.text]
            for look in (connection.configure, connection.check)
        )
        assert configured == checked
        return configured

    uses = Uses(Storage(tmp_path), project.id)
    assert told() == []
    uses.add(Use("v1", now(), "training"))
    assert told() == []
    (tmp_path / f"projects/{project.id}/current.json").unlink()
    uses.add(Use("v1", BEFORE, "training"))
    uses.add(Use("v2", now(), "training"))
    [found] = told()
    assert "v1 was in use there on 2020-01-01" in found.text
    assert (found.severity, "MODEL_DIR" in found.remedy) == (Severity.WARNING, True)
