"""By which names and numbers the service can be reached, and what its pages do to a Redis that takes nothing
new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr
from redis import Redis

from backend.app import create_app
from backend.queue import pending_work
from backend.queue.pending_work import Work
from backend.run.redis_server import EmbeddedRedis
from backend.settings import Settings
from tests.service.conftest import AUTH, use_settings
from tests.waiting import eventually

PAGE = {"Accept": "text/html"}
FOREIGN = (
    "evil.example",
    "evil.example:9090",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "",
    "a b",
    "[::1",
    "x@y",
)
OWN = (
    "127.0.0.1:9090",
    "localhost",
    "LOCALHOST:80",
    "[::1]:9090",
    "192.168.1.5",
    "backend.lab",
    "pages.lab:443",
)
ADDRESSES = (
    "/health",
    "/",
    "/projects",
    "/projects/2",
    "/projects/2/status",
    "/metrics",
    "/projects/2/rounds/v1.r1/pictures/3.jpg",
)


@pytest.fixture
def client(settings: Settings, redis: Redis) -> FlaskClient:
    """The application without a password; it knows project 2."""
    pending_work.register(redis, 2)
    return create_app(settings).test_client()


@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_names_are_refused(client: FlaskClient, host: str) -> None:
    """A web site that leads its name to this machine reads and changes nothing, and is told nothing."""
    for address in ADDRESSES:
        assert client.get(address, headers={"Host": host, **PAGE}).status_code in (400, 403), address
    assert client.post("/projects/2/recompute", headers={"Host": host}).status_code in (400, 403)
    assert client.options("/projects/2", headers={"Host": host}).status_code in (400, 403)


@pytest.mark.parametrize("host", OWN)
def test_own_names_are_answered(settings: Settings, redis: Redis, host: str) -> None:
    """Those of this machine, in digits, and of BACKEND_URL and PUBLIC_URL."""
    pending_work.register(redis, 2)
    addresses = {"backend_url": "http://backend.lab:9090", "public_url": "https://pages.lab"}
    app = create_app(settings.model_copy(update=addresses))
    assert app.test_client().get("/projects/2/status", headers={"Host": host}).status_code == 200


def test_with_a_password_any_name_may_be_asked(settings: Settings, redis: Redis) -> None:
    """As behind a proxy: a browser gives the password to no name that a foreign site made up."""
    pending_work.register(redis, 2)
    login = {"basic_auth_user": AUTH[0], "basic_auth_pass": SecretStr(AUTH[1])}
    client = create_app(settings.model_copy(update=login)).test_client()
    assert client.get("/projects/2/status", headers={"Host": "lab.example"}, auth=AUTH).status_code == 200
    assert client.get("/projects/2/status", headers={"Host": "lab.example"}).status_code == 401


@pytest.mark.parametrize("digits", [11, 256, 5000])
def test_numbers_that_no_project_has_are_no_error_of_ours(client: FlaskClient, digits: int) -> None:
    """Also those that no file can be named by, and that Python refuses to read."""
    number = "9" * digits
    for address in (
        f"/projects/{number}",
        f"/projects/{number}/status",
        f"/projects/2/rounds/v{number}.r1/pictures/1.jpg",
        f"/projects/2/rounds/v1.r{number}/similarity.json",
        f"/projects/2/rounds/v1.r1/pictures/{number}.jpg",
        f"/projects/2/jobs/{number}",
        f"/versions?project={number}",
    ):
        answer = client.get(address)
        assert 400 <= answer.status_code < 500, address
        assert "Traceback" not in answer.text
    assert 400 <= client.post("/projects/2/rollback", json={"version": f"v{number}"}).status_code < 500


@pytest.fixture
def own_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """A Redis that one test may fill; it knows project 2."""
    server = EmbeddedRedis(tmp_path / "redis")
    server.start()
    use_settings(monkeypatch, redis_url=server.address, model_dir=tmp_path / "models")
    with Redis.from_url(server.address) as client:
        pending_work.register(client, 2)
        yield client
    server.stop()


def test_reading_pages_writes_nothing_and_tells_that_redis_is_full(own_redis: Redis) -> None:
    """The page that tells why nothing works must not need room itself."""
    client = create_app().test_client()
    own_redis.config_set("maxmemory", 1)
    written = own_redis.info("persistence")["rdb_changes_since_last_save"]
    for address in ("/", "/projects/2", "/projects/2/status"):
        answer = client.get(address, headers=PAGE)
        assert answer.status_code == 200, address
    assert "no memory left" in client.get("/projects/2", headers=PAGE).text
    assert own_redis.info("persistence")["rdb_changes_since_last_save"] == written
    refused = client.post("/projects/2/train")
    assert (refused.status_code, "maxmemory" in (refused.json or {})["message"]) == (503, True)
    label = {"action": "ANNOTATION_CREATED", "annotation": {"id": 9, "task": 26}, "project": {"id": 2}}
    assert client.post("/webhook", json=label).status_code == 201
    own_redis.config_set("maxmemory", 0)
    assert eventually(lambda: pending_work.pending(own_redis, 2, Work.TRAINING).labels == 1, 60)
