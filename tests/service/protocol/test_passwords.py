"""Who may ask for what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from redis import Redis

from backend.labelstudio.connect.project_credentials import connection_login, webhook_headers
from backend.queue import pending_work
from backend.queue.connection import PROJECTS
from backend.queue.pending_work import Work
from backend.web.guesses import FREE
from backend.web.gunicorn_worker import Channel
from tests.service.conftest import AUTH, Web, publish_version
from tests.service.protocol.conftest import ANNOTATION, SETUP, TASK, event, predict_body, state


@pytest.mark.parametrize(
    "auth", [None, ("label-studio", "wrong"), ("wrong", AUTH[1]), ("", ""), ("ümlaut", "ß")]
)
def test_everything_else_needs_the_password(web: Web, auth: tuple[str, str] | None) -> None:
    """A webhook without credentials, as Label Studio makes by itself, is refused."""
    with httpx.Client(base_url=web.url, auth=auth, timeout=60) as client:
        for answer in (
            client.post("/setup", json=SETUP),
            client.post("/predict", json=predict_body([TASK])),
            client.post("/webhook", json=event("ANNOTATION_CREATED", annotation=ANNOTATION)),
            client.get("/versions"),
            client.get("/projects/2/status"),
            client.post("/projects/2/recompute"),
        ):
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
            assert "BASIC_AUTH_USER" in answer.json()["message"]
        assert client.get("/health").status_code == 200


def test_guesses_at_the_password_are_held_back_and_nobody_else(web: Web) -> None:
    """Not even who comes from the same address, as behind a proxy; and no thread waits."""

    def status(password: str) -> httpx.Response:
        return httpx.get(f"{web.url}/versions", auth=(AUTH[0], password), timeout=60)

    for number in range(FREE):
        assert status(f"a guess {number}").status_code == 401
    with ThreadPoolExecutor(12) as executor:
        guesses = executor.map(status, [f"another {number}" for number in range(16)])
        assert {status(AUTH[1]).status_code for _ in range(20)} == {200}
        assert httpx.get(f"{web.url}/health", timeout=60).status_code == 200
        found = list(guesses)
    assert {each.status_code for each in found} == {401, 429}
    assert all(int(each.headers["Retry-After"]) > 0 for each in found if each.status_code == 429)


def test_an_answer_that_is_held_back_is_sent_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the loop that sends all of them, which is not kept busy meanwhile."""
    now = 1000.0
    monkeypatch.setattr("backend.web.gunicorn_worker.time.time", lambda: now)
    channel = Channel.__new__(Channel)
    channel.total_outbufs_len, channel.will_close, channel.close_when_flushed = 10, False, True
    assert channel.writable()
    channel.hold(2.0)
    assert not channel.writable()
    assert channel.send(b"x") == 0
    now += 2.0
    assert channel.writable()


def test_webhook_s_own_credential_opens_nothing_else(web: Web, redis: Redis) -> None:
    """Every member of the organization can read it in Label Studio:
    it tells of labels of its own project, and that is all."""
    with httpx.Client(base_url=web.url, headers=webhook_headers(AUTH, 2), timeout=60) as client:
        assert (
            client.post("/webhook", json=event("ANNOTATION_CREATED", annotation=ANNOTATION)).status_code
            == 201
        )
        assert state(redis, Work.TRAINING).labels == 1
        redis.sadd(PROJECTS, 3)
        foreign = client.post(
            "/webhook", json={**event("ANNOTATION_CREATED", annotation=ANNOTATION), "project": {"id": 3}}
        )
        assert (foreign.status_code, "project 2" in foreign.json()["message"]) == (403, True)
        assert not pending_work.pending(redis, 3, Work.TRAINING).outstanding
        for path in (
            "/projects/2/cancel",
            "/projects/2/rollback",
            "/projects/2/recompute",
            "/setup",
            "/predict",
        ):
            assert client.post(path, json=SETUP).status_code == 401, path
        for path in ("/webhook", "/projects/2", "/projects/2/status", "/versions", "/metrics"):
            assert client.get(path).status_code == 401, path
    right = webhook_headers(AUTH, 2)["Authorization"]
    for wrong in (
        f"{right}0",
        right.replace("2.", "3.", 1),
        "Bearer 2.",
        f"Bearer {'9' * 5000}.x",
        "Bearer ².",
    ):
        headers = {b"Authorization": wrong.encode()}
        answer = httpx.post(
            f"{web.url}/webhook", json=event("ANNOTATION_CREATED"), headers=headers, timeout=60
        )
        assert answer.status_code == 401, wrong[:40]


def test_connection_s_own_credential_opens_its_project_alone(web: Web, redis: Redis) -> None:
    """A member of the organization can have it sent to a server of their own."""
    redis.sadd(PROJECTS, 3)
    publish_version(web.settings.model_dir, 2, "v1", steps=2)
    publish_version(web.settings.model_dir, 3, "v4", steps=2)
    user, password = connection_login(AUTH, 2)
    with httpx.Client(base_url=web.url, auth=(user, password), timeout=60) as client:
        assert client.post("/setup", json=SETUP).status_code == 200
        assert client.post("/predict", json=predict_body([TASK])).status_code == 200
        assert client.post("/webhook", json=event("PROJECT_UPDATED")).status_code == 201
        assert client.get("/projects/2/recompute").status_code == 200
        for path in ("/versions", "/versions?project=3"):
            assert "v4" not in client.get(path).raise_for_status().json()["versions"], path
        for path, body in (
            ("/setup", {**SETUP, "project": "3.1"}),
            ("/predict", predict_body([TASK], "3.1")),
            ("/webhook", {**event("START_TRAINING"), "project": {"id": 3}}),
        ):
            assert client.post(path, json=body).status_code == 403, path
        for path in ("/projects/3/cancel", "/projects/3/rollback", "/projects/20/recompute"):
            assert client.post(path, json=SETUP).status_code == 401, path
        for path in ("/", "/projects", "/projects/3/status", "/metrics", "/projects/2x"):
            assert client.get(path).status_code == 401, path
    for wrong in ((user, AUTH[1]), ("project-3", password), ("project-02", password), ("2", password[:-1])):
        assert httpx.get(f"{web.url}/versions", auth=wrong, timeout=60).status_code == 401, wrong
