"""What Label Studio sends, to one web server for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from backend.labelstudio.labels.config import EXAMPLE
from backend.queue import pending_work
from backend.queue.connection import Keys
from backend.queue.pending_work import Work
from backend.run.redis_server import EmbeddedRedis
from backend.store.storage import Storage
from tests.service.conftest import Web, default_settings, running_web

UID = "2.1795346628"


SETUP = {
    "project": UID,
    "schema": EXAMPLE,
    "hostname": "http://localhost:8081",
    "access_token": "abc",
    "extra_params": None,
}


PROJECT = {"id": 2, "title": "Axons", "label_config": EXAMPLE, "created_at": "2026-11-23T00:00:00Z"}


def predict_body(tasks: list[dict[str, Any]], project: str = UID, **context: Any) -> dict[str, Any]:
    params = {"login": None, "password": None, "context": context or None}
    return {"tasks": tasks, "project": project, "label_config": EXAMPLE, "params": params}


def event(action: str, **fields: Any) -> dict[str, Any]:
    return {"action": action, "project": PROJECT, **fields}


ANNOTATION = {"id": 9, "task": 26, "completed_by": 1, "was_cancelled": False, "result": [], "lead_time": 3.1}


TASK = {"id": 26, "data": {"image": "/data/local-files/?d=a.png"}, "project": 2}


@pytest.fixture(scope="package")
def protocol_server(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """One gunicorn for the tests of this folder."""
    with default_settings(), running_web(redis_server, tmp_path_factory.mktemp("web")) as served:
        yield served


@pytest.fixture
def web(protocol_server: Web) -> Web:
    """The same, as other tests of the service call it."""
    return protocol_server


@pytest.fixture(autouse=True)
def connected(web: Web, redis: Redis) -> None:
    """A project without a model; Label Studio always calls /setup before anything else."""
    Storage(web.settings.model_dir).remove("projects/2")
    assert web.post("/setup", SETUP).status_code == 200
    redis.delete(Keys(2).events)


def state(redis: Redis, work: Work) -> pending_work.Pending:
    return pending_work.pending(redis, 2, work)
