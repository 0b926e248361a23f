"""Tests of the client against a real Label Studio, and against servers that are away, busy or something
else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import jwt
import pytest

from backend.demo.server import LabelStudioServer
from backend.errors import (
    ApiKeyError,
    LabelStudioError,
    RedirectedError,
    UnknownProjectError,
    UnreachableError,
)
from backend.labelstudio.client import IDS_A_PAGE, LabelStudio
from backend.labelstudio.labels.annotations import chosen
from tests.accounts import sign_in
from tests.backend.labelstudio.conftest import PERSONAL, Annotator, MakeProject


def test_the_server_its_user_and_projects_are_told(
    client: LabelStudio, label_studio: LabelStudioServer, make_project: MakeProject
) -> None:
    project = make_project(2)
    assert client.server_version() == "1.23.2"
    user = client.user()
    assert user["email"] == label_studio.admin.email
    assert client.users()[user["id"]] == label_studio.admin.email
    found = client.project(project.id)
    assert (
        found.tasks,
        found.labelled,
        found.maximum_annotations,
        found.model_version,
        found.created_by,
    ) == (2, 0, 1, "", user["id"])
    assert found in client.projects()


def test_both_kinds_of_key_work_and_their_token_downloads(
    client: LabelStudio, label_studio: LabelStudioServer, make_project: MakeProject, personal_key: str
) -> None:
    personal = LabelStudio(label_studio.url, personal_key)
    assert personal.user()["email"] == PERSONAL
    assert client.access_token() == label_studio.token
    token = personal.access_token()
    assert (
        httpx.get(
            f"{label_studio.url}/api/projects", headers={"Authorization": f"Bearer {token}"}, timeout=60
        ).status_code
        == 200
    )
    project = make_project(3)
    assert personal.task_ids(project.id) == project.tasks


def test_keys_that_are_not_accepted_say_what_to_do(
    label_studio: LabelStudioServer, personal_key: str
) -> None:
    with pytest.raises(ApiKeyError, match="LABEL_STUDIO_API_KEY is empty"):
        LabelStudio(label_studio.url, " ")
    with pytest.raises(ApiKeyError, match=r"Invalid token.*Account & Settings"):
        LabelStudio(label_studio.url, "0123456789abcdef").user()
    with pytest.raises(ApiKeyError, match="expired"):
        LabelStudio(label_studio.url, jwt.encode({"exp": 1, "token_type": "refresh"}, "k" * 32))
    access = LabelStudio(label_studio.url, personal_key).access_token()
    with pytest.raises(
        ApiKeyError, match="wrong type"
    ):  # pasted in place of the personal token that it was made of
        LabelStudio(label_studio.url, access).user()


def test_a_kind_of_key_that_is_switched_off_says_so(
    label_studio: LabelStudioServer, personal_key: str
) -> None:
    with closing(sign_in(label_studio)) as browser:
        try:
            browser.post(
                "/api/jwt/settings", json={"api_tokens_enabled": False, "legacy_api_tokens_enabled": True}
            ).raise_for_status()
            with pytest.raises(ApiKeyError, match="legacy token instead"):
                LabelStudio(label_studio.url, personal_key).user()
            browser.post(
                "/api/jwt/settings", json={"api_tokens_enabled": True, "legacy_api_tokens_enabled": False}
            ).raise_for_status()
            with pytest.raises(ApiKeyError, match="personal access token instead"):
                LabelStudio(label_studio.url, label_studio.token).user()
        finally:
            browser.post(
                "/api/jwt/settings", json={"api_tokens_enabled": True, "legacy_api_tokens_enabled": True}
            ).raise_for_status()


def test_an_unknown_project_is_told(client: LabelStudio) -> None:
    calls = [
        lambda: client.project(10**6),
        lambda: client.task_ids(10**6),
        lambda: client.versions(10**6),
        lambda: client.count(10**6),
    ]
    for call in calls:
        with pytest.raises(UnknownProjectError, match="no project 1000000"):
            call()
    with pytest.raises(UnknownProjectError):
        client.update_project(10**6, title="x")
    assert client.task(10**9) is None
    assert client.task_predictions(10**9) == []
    assert client.update_prediction(10**9, score=0.5) is False
    assert client.delete_predictions([10**9]) == 0


def test_an_address_that_is_none_or_nobodys_is_told() -> None:
    with pytest.raises(LabelStudioError, match="address such as http"):
        LabelStudio("localhost:8080", "0123456789")
    with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:9 .*LABEL_STUDIO_URL"):
        LabelStudio("http://127.0.0.1:9", "0123456789", attempts=2).user()


def test_tasks_come_in_the_order_of_ids_with_their_labels(
    client: LabelStudio, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    project = make_project(9)
    labelled, skipped, ids = project.tasks[4], project.tasks[6], project.tasks
    number = annotators[1].submit(labelled)
    annotators[1].skip(skipped)
    client.import_predictions(
        project.id, [{"task": ids[0], "result": [], "score": 0.5, "model_version": "v1.r1"}]
    )
    tasks = list(client.tasks(project.id, page_size=2))
    assert [task["id"] for task in tasks] == ids
    assert [task["data"]["number"] for task in tasks] == list(range(9))
    assert all(task["predictions"] == [] for task in tasks)
    assert [(chosen(task) or {}).get("id") for task in tasks] == [
        number if task == labelled else None for task in ids
    ]
    assert [task["id"] for task in client.tasks(project.id, "labelled", page_size=2)] == [labelled]
    # A skipped task is served again, to others.
    others = [task for task in ids if task != labelled]
    assert [task["id"] for task in client.tasks(project.id, "unlabelled", page_size=3)] == others
    assert client.task_ids(project.id, "unlabelled") == others
    assert [
        client.count(project.id),
        client.count(project.id, "labelled"),
        client.count(project.id, "unlabelled"),
    ] == [9, 1, 8]
    assert chosen(client.task(skipped) or {}) is None


def test_skipped_tasks_are_done_where_the_project_says_so(
    client: LabelStudio, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    project = make_project(3, skip_queue="IGNORE_SKIPPED")
    annotators[0].skip(project.tasks[1])
    assert client.task_ids(project.id, "unlabelled") == [project.tasks[0], project.tasks[2]]
    assert client.count(project.id, "unlabelled") == 2
    assert [task["id"] for task in client.tasks(project.id)] == project.tasks


def test_more_tasks_than_a_page_has_are_all_read(make_project: MakeProject) -> None:
    """Label Studio sends pages as large as are asked for."""
    project = make_project(IDS_A_PAGE + 1)
    assert len(set(project.tasks)) == IDS_A_PAGE + 1
    assert project.tasks == sorted(project.tasks)


def test_a_task_that_is_labelled_while_all_are_read_is_read(
    client: LabelStudio, make_project: MakeProject, annotators: list[Annotator]
) -> None:
    """Reading goes on for the hours of an export."""
    project = make_project(4)
    found = client.tasks(project.id, page_size=1)
    first = next(found)
    number = annotators[0].submit(project.tasks[3])
    rest = {task["id"]: task for task in found}
    assert {first["id"], *rest} == set(project.tasks)
    assert (chosen(rest[project.tasks[3]]) or {}).get("id") == number


PAGE = 203
"""A page for people, from a proxy whose server is away."""
ODD = 206
"""JSON of another form than any version of Label Studio sends."""


class Answers(BaseHTTPRequestHandler):
    """Answers the statuses of a list, the last one for ever; counts the requests."""

    statuses: list[int] = []  # noqa: RUF012
    seen: list[str] = []  # noqa: RUF012

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        Answers.seen.append(self.command)
        status = Answers.statuses.pop(0) if len(Answers.statuses) > 1 else Answers.statuses[0]
        content = b'{"detail": "database is locked"}' if status >= 400 else b'{"created": 1, "release": "9"}'
        if status == PAGE:
            content = b"<html><body>Back in a minute"
        if status == ODD:
            content = b"[1, 2]"
        if status == 404:
            content = b"404 page not found"
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if status == PAGE else "application/json")
        if status in (301, 302):
            self.send_header("Location", "https://elsewhere.example/api")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if status != 204 else b"<html>")

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def busy() -> Iterator[LabelStudio]:
    Answers.statuses, Answers.seen = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield LabelStudio(f"http://127.0.0.1:{server.server_port}", "0123456789", attempts=3, timeout=5)
    server.shutdown()
    server.server_close()


def test_a_busy_server_is_asked_again(busy: LabelStudio) -> None:
    Answers.statuses = [503, 500, 200]
    assert busy.server_version() == "9"
    assert Answers.seen == ["GET"] * 3
    Answers.statuses = [503]
    with pytest.raises(LabelStudioError, match="database is locked") as caught:
        busy.server_version()
    assert caught.value.status == 503


def test_a_page_of_a_proxy_is_waited_for_like_its_502(busy: LabelStudio) -> None:
    """With status 200 and nothing of what was asked for;
    where it stays, who waits for a busy server goes on waiting."""
    Answers.statuses = [PAGE, PAGE, 200]
    assert busy.server_version() == "9"
    Answers.statuses = [PAGE]
    with pytest.raises(LabelStudioError, match="a proxy") as caught:
        busy.server_version()
    assert caught.value.passing
    with pytest.raises(LabelStudioError) as caught:
        busy.import_predictions(1, [])
    assert caught.value.passing


def test_a_proxy_s_404_says_nothing_of_projects_and_predictions(busy: LabelStudio) -> None:
    """Some answer so while the server behind them is started again. Label Studio's own is JSON."""
    Answers.statuses = [404, 404, 200]
    assert busy.server_version() == "9"
    Answers.statuses = [404]
    for call in (
        lambda: busy.project(1),
        lambda: busy.task(1),
        lambda: busy.update_prediction(1, result=[]),
        lambda: busy.import_predictions(1, []),
    ):
        with pytest.raises(LabelStudioError) as caught:
            call()
        assert caught.value.passing
        assert not isinstance(caught.value, UnknownProjectError)


def test_what_may_have_been_done_is_not_repeated(busy: LabelStudio) -> None:
    """A bulk write that answered 500 may have written some;
    one that was refused as overload has not begun."""
    Answers.statuses = [500, 200]
    with pytest.raises(LabelStudioError) as caught:
        busy.import_predictions(1, [])
    assert caught.value.status == 500
    assert Answers.seen == ["POST"]
    Answers.statuses = [503, 200]
    assert busy.import_predictions(1, []) == 1


def test_a_server_that_moved_or_is_something_else_is_told(busy: LabelStudio) -> None:
    Answers.statuses = [302]
    with pytest.raises(RedirectedError, match=r"elsewhere\.example/api; set LABEL_STUDIO_URL"):
        busy.user()
    Answers.statuses = [200]
    with pytest.raises(LabelStudioError, match="expected a list"):
        busy.views(1)
    Answers.statuses = [ODD]
    for call in (busy.user, busy.users, lambda: busy.views(1), lambda: busy.query(1, []), busy.projects):
        with pytest.raises(LabelStudioError, match="Label Studio's version"):
            call()
