"""Whatever is sent in place of any part of a recorded call:
an answer below 500 with a message, and the service goes on."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from redis import Redis

from backend.app import create_app
from backend.labelstudio.labels.config import EXAMPLE
from backend.queue import pending_work
from backend.settings import Settings

PROJECT = {"id": 2, "title": "Axons", "label_config": EXAMPLE}
ANNOTATION = {
    "id": 9,
    "task": 26,
    "completed_by": 1,
    "was_cancelled": False,
    "result": [{"type": "brushlabels", "value": {"rle": [1]}}],
}
TASK = {"id": 26, "data": {"image": "/data/local-files/?d=a.png"}, "project": 2}
RECORDED: list[tuple[str, dict[str, Any]]] = [
    (
        "/setup",
        {
            "project": "2.17",
            "schema": EXAMPLE,
            "hostname": "http://h",
            "access_token": "abc",
            "extra_params": '{"budget": 3}',
        },
    ),
    (
        "/predict",
        {
            "tasks": [TASK],
            "project": "2.17",
            "label_config": EXAMPLE,
            "params": {"login": None, "context": {"result": []}},
        },
    ),
    (
        "/webhook",
        {"action": "ANNOTATION_CREATED", "annotation": ANNOTATION, "project": PROJECT, "task": TASK},
    ),
    (
        "/webhook",
        {"action": "ANNOTATIONS_CREATED", "annotations": [ANNOTATION, ANNOTATION], "project": PROJECT},
    ),
    ("/webhook", {"action": "START_TRAINING", "project": PROJECT}),
]
SURROGATE = "\ud800"
"""Half a character: JSON can say it, UTF-8 cannot."""
values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.just(2)
    | st.integers(max_value=0)
    | st.integers(2**31, 2**80)
    | st.text()
    | st.just(SURROGATE),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("id"), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of a body."""
    yield path
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, part in parts:
        yield from places(part, (*path, name))


def replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(body)
    node = changed
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return changed


@pytest.fixture
def client(settings: Settings, redis: Redis) -> FlaskClient:
    """The application in this process, over the real Redis; it knows project 2."""
    pending_work.register(redis, 2)
    return create_app(settings).test_client()


@given(data=st.data())
@effort(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_part_may_be_anything(client: FlaskClient, data: st.DataObject) -> None:
    """One part of a recorded call, or all of it, replaced by any other JSON."""
    path, body = data.draw(st.sampled_from(RECORDED))
    answer = client.post(
        path, json=replaced(body, data.draw(st.sampled_from(list(places(body)))), data.draw(values))
    )
    assert answer.status_code < 500, answer.json
    if answer.status_code >= 400:
        assert (answer.json or {})["message"]


@pytest.mark.parametrize(("path", "body"), RECORDED, ids=lambda value: str(value)[:30])
def test_half_a_character_in_any_text(client: FlaskClient, path: str, body: dict[str, Any]) -> None:
    """It cannot be stored as UTF-8."""
    for place in places(body):
        assert client.post(path, json=replaced(body, place, SURROGATE)).status_code < 500, place
