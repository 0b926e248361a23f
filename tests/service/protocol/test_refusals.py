"""Requests that cannot be answered: each gets a message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.service.conftest import Web
from tests.service.protocol.conftest import PROJECT, SETUP, TASK, UID, predict_body

MALFORMED: list[tuple[str, Any]] = [
    ("/setup", []),
    ("/setup", {}),
    ("/setup", {"project": UID}),
    ("/setup", {**SETUP, "project": None}),
    ("/setup", {**SETUP, "project": True}),
    ("/setup", {**SETUP, "project": "two"}),
    ("/setup", {**SETUP, "project": "-1"}),
    ("/setup", {**SETUP, "project": 10**30}),
    ("/setup", {**SETUP, "project": {"id": [1]}}),
    ("/setup", {**SETUP, "schema": None}),
    ("/setup", {**SETUP, "schema": 5}),
    ("/setup", {**SETUP, "schema": "<View"}),
    ("/setup", {**SETUP, "extra_params": 5}),
    ("/setup", {**SETUP, "extra_params": {"budget": -1}}),
    ("/setup", {**SETUP, "extra_params": "[" * 100_000}),
    ("/predict", "text"),
    ("/predict", {}),
    ("/predict", predict_body([])),
    ("/predict", {**predict_body([TASK]), "tasks": {"id": 1}}),
    ("/predict", {**predict_body([TASK]), "tasks": [None]}),
    ("/predict", {**predict_body([TASK]), "tasks": [{"id": "1", "data": {}}]}),
    ("/predict", {**predict_body([TASK]), "tasks": [{"id": 1}]}),
    ("/predict", {**predict_body([TASK]), "label_config": None}),
    ("/predict", {**predict_body([TASK]), "label_config": "<View/>"}),
    ("/predict", {**predict_body([TASK]), "project": ""}),
    ("/predict", {**predict_body([TASK]), "params": []}),
    ("/predict", {**predict_body([TASK]), "params": {"context": "x"}}),
    ("/projects/2/unskip", {"tasks": [10**300]}),
    ("/projects/2/unskip", {"tasks": [1, -1]}),
    ("/webhook", None),
    ("/webhook", {}),
    ("/webhook", {"action": "ANNOTATION_CREATED"}),
    ("/webhook", {"action": 5, "project": PROJECT}),
    ("/webhook", {"action": "ANNOTATION_CREATED", "project": []}),
    ("/webhook", {"action": "ANNOTATION_CREATED", "project": {"id": 404}}),
    ("/webhook", {"action": "START_TRAINING", "project": {"id": 404}}),
]


@pytest.mark.parametrize(("path", "body"), MALFORMED, ids=lambda value: str(value)[:40])
def test_malformed_requests_are_refused_with_a_message(web: Web, path: str, body: Any) -> None:
    """A 4xx with a JSON message, never a traceback."""
    answer = web.post(path, body)
    assert 400 <= answer.status_code < 500
    assert answer.json()["message"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"project": NaN}', b'{"a":' * 5000 + b"1" + b"}" * 5000],
    ids=lambda c: repr(c[:9]),
)
def test_bodies_that_are_no_json(web: Web, content: bytes) -> None:
    """Also when they are nested more deeply than Python can follow."""
    for path in ("/setup", "/predict", "/webhook"):
        answer = web.client.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert answer.json()["message"]


def test_huge_bodies_are_refused(web: Web) -> None:
    """Also when they do not say how long they are."""
    huge = json.dumps({**SETUP, "access_token": "x" * (3 * 2**20)}).encode()

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(huge), 65536):
            yield huge[start : start + 65536]

    for content in (huge, chunks()):
        answer = web.client.post("/setup", content=content)
        assert answer.status_code == 413
        assert "MAX_BODY_MB" in answer.json()["message"]


def test_unknown_addresses_and_methods(web: Web) -> None:
    """Also JSON."""
    assert web.get("/nothing").json()["error"] == "Not Found"
    assert web.get("/predict").status_code == 405
    assert web.post("/projects/404/recompute", None).status_code in (
        404,
        502,
    )  # Label Studio, which would know, is away here
