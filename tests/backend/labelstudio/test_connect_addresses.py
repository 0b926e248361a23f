"""Which connection of a project is the service's own, under whatever address."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect import (
    BACKEND_TITLE,
    OwnService,
    Record,
    Severity,
    check,
    configure,
)
from backend.labelstudio.connect.project_credentials import webhook_headers
from backend.store.storage import Storage
from tests.backend.labelstudio.conftest import AUTH, MakeProject, StubBackend
from tests.web_server import web_server


def test_a_backend_that_does_not_answer_is_an_error_and_the_rest_is_configured(
    client: LabelStudio, make_project: MakeProject
) -> None:
    project = make_project(1, sampling="Sequential sampling")
    done = {
        item.subject: item for item in configure(client, project.id, OwnService("http://127.0.0.1:9", AUTH))
    }
    assert done["backend"].severity is Severity.ERROR
    assert "python -m backend up" in done["backend"].remedy
    assert done["backend"].text == "Label Studio does not reach http://127.0.0.1:9 (Connection refused)"
    assert client.ml_backends(project.id) == []
    assert done["sampling"].severity is done["tab"].severity is Severity.FIXED


def test_a_backend_that_is_down_after_connecting_is_told(
    client: LabelStudio, make_project: MakeProject, stub_backend: StubBackend
) -> None:
    project = make_project(1)
    configure(client, project.id, stub_backend.own)
    stub_backend.status = 500
    done = {item.subject: item for item in check(client, project.id, stub_backend.own)}
    assert done["backend"].severity is Severity.ERROR
    assert done["webhook"].severity is Severity.OK


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
    own, by_hand = stub_backend.own, address.format(port=port) or stub_backend.url
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
            told = {item.subject: item for item in check(client, project.id, own)}
            assert "connected twice" in told["backend"].text
        configure(client, project.id, own)
        [backend] = client.ml_backends(project.id)
        assert (backend["title"], backend["url"], backend["extra_params"]) == (
            "by hand",
            by_hand,
            {"budget": 7},
        )
        hooks = {hook["id"]: hook for hook in client.webhooks(project.id)}
        assert hooks.pop(theirs["id"])["headers"] == {}
        assert [hook["headers"] for hook in hooks.values()] == [webhook_headers(AUTH, project.id)]
        assert {item.severity for item in check(client, project.id, own)} == {Severity.OK}


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
    done = {item.subject: item for item in configure(client, project.id, own)}
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
        configure(client, project.id, OwnService(before, None), record=record)
    [made] = client.ml_backends(project.id)
    done = {item.subject: item for item in configure(client, project.id, stub_backend.own, record=record)}
    assert done["backend"].severity is Severity.FIXED
    [moved] = client.ml_backends(project.id)
    assert (moved["id"], moved["url"], moved["state"]) == (made["id"], stub_backend.url, "CO")
    assert [hook["url"] for hook in client.webhooks(project.id)] == [f"{stub_backend.url}/webhook"]
    assert {item.severity for item in check(client, project.id, stub_backend.own, record=record)} == {
        Severity.OK
    }


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
