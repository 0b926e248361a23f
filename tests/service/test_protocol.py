"""Every call that Label Studio was recorded to make, and malformed ones, against the real web server."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from redis import Redis
from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser

from backend.labelstudio.connect.own_service import INSTANCE_HEADER
from backend.labelstudio.connect.project_credentials import connection_login, webhook_headers
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import to_mask
from backend.queue import pending_work, round_request
from backend.queue.connection import PROJECTS, Keys
from backend.queue.pending_work import Work
from backend.web import gunicorn_worker
from backend.web.guesses import FREE
from backend.web.gunicorn_worker import HEAD_SECONDS, REQUEST_SECONDS, Channel, Parser, Server
from model.network.dice import dice
from tests.service.conftest import AUTH, Web, picture, publish_version
from tests.waiting import eventually

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


@pytest.fixture(autouse=True)
def connected(web: Web, redis: Redis) -> None:
    """Label Studio always calls /setup before anything else."""
    assert web.post("/setup", SETUP).status_code == 200
    redis.delete(Keys(2).events)


def state(redis: Redis, work: Work) -> pending_work.Pending:
    return pending_work.pending(redis, 2, work)


def test_health_is_open_and_names_the_model(web: Web) -> None:
    """Load balancers have no password."""
    answer = httpx.get(f"{web.url}/health", timeout=60)
    assert (answer.status_code, answer.json()) == (200, {"status": "UP", "model_class": "Segmenter"})
    assert (
        answer.headers[INSTANCE_HEADER] == httpx.get(f"{web.url}/health", timeout=60).headers[INSTANCE_HEADER]
    )


def test_setup_tells_the_version_and_has_the_project_configured_once(web: Web, redis: Redis) -> None:
    """The Data Manager calls /setup at every page; only a change brings another look at the project."""
    for _ in range(5):
        answer = web.post("/setup", SETUP)
        assert answer.json() == {"model_version": "v0"}
    assert state(redis, Work.CONFIGURE).wanted == 0  # the fixture's call was the first
    web.post("/setup", {**SETUP, "extra_params": '{"budget": 7}'})
    assert state(redis, Work.CONFIGURE).wanted == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": "<View/>"}, "no Image"),
        ({"schema": '<View><Image name="i" value="$image"/></View>'}, "no control that draws"),
        ({"extra_params": '{"budgt": 5}'}, "unknown keys budgt"),
        ({"extra_params": '{"strategy": "magic"}'}, "magic"),
        ({"extra_params": "five"}, "expected JSON"),
    ],
)
def test_setup_tells_the_administrator_what_is_wrong(web: Web, fields: dict[str, Any], message: str) -> None:
    """Label Studio shows the status line of a failed request and nothing else, so the message is in it as
    well."""
    answer = web.post("/setup", {**SETUP, **fields})
    assert answer.status_code == 422
    assert message in answer.json()["message"]
    assert message in answer.reason_phrase


def test_predict_without_a_model_answers_empty_results(web: Web) -> None:
    """One item a task, each with the version that /setup tells, so that Label Studio asks again once there is
    a model."""
    answer = web.post("/predict", predict_body([TASK, {**TASK, "id": 27}]))
    assert answer.json() == {"results": [{"result": [], "score": 0.0, "model_version": "v0"}] * 2}


@pytest.mark.parametrize("action", ["ANNOTATION_CREATED", "ANNOTATION_UPDATED"])
def test_a_label_is_noted(web: Web, redis: Redis, action: str) -> None:
    """A submit counts as one label and names its task."""
    answer = web.post("/webhook", event(action, annotation=ANNOTATION, task=TASK))
    assert answer.status_code == 201
    pending = state(redis, Work.TRAINING)
    assert (pending.wanted, pending.labels) == (1, 1)
    assert redis.smembers(Keys(2).labelled) == {b"26"}


def test_a_skip_is_no_label(web: Web, redis: Redis) -> None:
    """It may end a batch, though;
    whether the task is done with, the look tells, as others may still be served it."""
    skip = {**ANNOTATION, "was_cancelled": True}
    web.post("/webhook", event("ANNOTATION_CREATED", annotation=skip, task=TASK))
    assert state(redis, Work.TRAINING).wanted == 0
    assert state(redis, Work.SYNC).wanted == 1
    assert not redis.exists(Keys(2).labelled)
    web.post(
        "/webhook", event("ANNOTATIONS_CREATED", annotations=[{**skip, "task": 1}, {**ANNOTATION, "task": 3}])
    )
    assert (state(redis, Work.TRAINING).labels, redis.smembers(Keys(2).labelled)) == (1, {b"3"})
    web.post(
        "/webhook", event("ANNOTATION_UPDATED", annotation=skip, task=TASK)
    )  # a label that is skipped is taken away
    assert (state(redis, Work.TRAINING).wanted, state(redis, Work.TRAINING).labels) == (2, 1)


def test_the_number_of_labelled_tasks_is_as_fresh_as_the_labels(web: Web) -> None:
    """ "3 of 24 labelled" does not stand beside "1 new label" for the fourth:
    Label Studio tells with each event."""
    body = event("ANNOTATION_CREATED", annotation=ANNOTATION, task=TASK)
    body["project"] = {**body["project"], "num_tasks_with_annotations": 4}
    web.post("/webhook", body)
    assert web.get("/projects/2/status").json()["images"]["labelled"] == 4


def test_deleted_and_bulk_annotations(web: Web, redis: Redis) -> None:
    """A deletion has no task id; a bulk event brings several labels."""
    web.post("/webhook", event("ANNOTATIONS_DELETED", annotations=[{"id": 2}]))
    assert (state(redis, Work.TRAINING).wanted, state(redis, Work.TRAINING).labels) == (1, 0)
    web.post(
        "/webhook", event("ANNOTATIONS_CREATED", annotations=[{**ANNOTATION, "task": n} for n in range(1, 4)])
    )
    assert state(redis, Work.TRAINING).labels == 3


@pytest.mark.parametrize("action", ["PROJECT_UPDATED", "TASKS_CREATED", "TASKS_DELETED"])
def test_other_events_bring_a_look(web: Web, redis: Redis, action: str) -> None:
    """Our own writes cause PROJECT_UPDATED: it must not bring a training."""
    web.post("/webhook", event(action, tasks=[TASK]))
    assert (state(redis, Work.SYNC).wanted, state(redis, Work.TRAINING).wanted) == (1, 0)


def test_unknown_actions_are_passed_over(web: Web, redis: Redis) -> None:
    """Label Studio adds actions from time to time."""
    answer = web.post("/webhook", event("LABEL_LINK_CREATED"))
    assert (answer.status_code, answer.json()) == (201, {"noted": False})
    assert not redis.exists(Keys(2).events)


def test_start_training_starts_a_job(web: Web, redis: Redis) -> None:
    """The button "Start training" sends only the project; two clicks make one job."""
    first = web.post("/webhook", event("START_TRAINING"))
    second = web.post("/webhook", event("START_TRAINING"))
    assert first.status_code == 201
    assert first.json()["job"] == second.json()["job"]
    assert redis.exists(f"rq:job:{first.json()['job']}")


def test_versions_are_listed(web: Web) -> None:
    """Label Studio asks by GET and does not say for which project."""
    publish_version(web.settings.model_dir, 77, steps=1)
    assert web.get("/versions?project=77").json() == {"versions": ["v1"]}
    assert web.get("/versions").json() == {"versions": []}  # project 2 has none
    assert web.get("/versions?project=x").status_code == 400


def test_predict_draws_masks(web: Web, redis: Redis, image_url: Callable[[int], str]) -> None:
    """30 tasks in one request: one item each in their order;
    what cannot be read is empty, and the masks fit the images."""
    redis.sadd(PROJECTS, 5)
    publish_version(web.settings.model_dir, 5, steps=150)
    numbers = [404, 500, *range(4, 32)]
    tasks = [{"id": n, "data": {"image": image_url(n)}, "project": 5} for n in numbers]
    version = web.post("/setup", {**SETUP, "project": "5.1"}).json()["model_version"]
    items = web.post("/predict", predict_body(tasks, "5.1")).json()["results"]
    assert version == "v1"
    assert [item["model_version"] for item in items] == ["v1"] * 30
    assert [item["result"] for item in items[:2]] == [[], []]
    agreement = []
    for number, item in zip(numbers[2:], items[2:], strict=True):
        mask = to_mask(item["result"], parse(EXAMPLE), (80, 96))
        agreement.append(dice(mask, picture(number)[1], 2))
        assert all(0 < region["score"] <= 1 for region in item["result"])
    assert np.mean(agreement) > 0.7


def test_predict_in_interactive_labelling(web: Web, redis: Redis, image_url: Callable[[int], str]) -> None:
    """The context is Label Studio's own and is taken as it is."""
    redis.sadd(PROJECTS, 6)
    publish_version(web.settings.model_dir, 6)
    body = predict_body([{"id": 3, "data": {"image": image_url(3)}}], "6.1", result=[], draft=None, user_id=1)
    assert len(web.post("/predict", body).json()["results"]) == 1


def test_a_new_version_is_served_at_once(web: Web, redis: Redis, image_url: Callable[[int], str]) -> None:
    """The network in memory is replaced, and /setup and /predict agree on the version."""
    redis.sadd(PROJECTS, 8)
    for name in ("v1", "v2"):
        publish_version(web.settings.model_dir, 8, name, steps=2)
        assert web.post("/setup", {**SETUP, "project": "8.1"}).json() == {"model_version": name}
        answer = web.post("/predict", predict_body([{"id": 3, "data": {"image": image_url(3)}}], "8.1"))
        assert answer.json()["results"][0]["model_version"] == name


def test_another_configuration_than_the_training_s(
    web: Web, redis: Redis, image_url: Callable[[int], str]
) -> None:
    """Labels of the same name are drawn;
    the status says so, and the project is looked at, which brings a training."""
    redis.sadd(PROJECTS, 9)
    publish_version(web.settings.model_dir, 9)
    changed = EXAMPLE.replace('<Label value="Axon"/>', '<Label value="Soma"/><Label value="Axon"/>')
    body = {**predict_body([{"id": 3, "data": {"image": image_url(3)}}], "9.1"), "label_config": changed}
    (item,) = web.post("/predict", body).json()["results"]
    assert {tuple(region["value"]["brushlabels"]) for region in item["result"]} == {("Axon",)}
    assert pending_work.pending(redis, 9, Work.SYNC).outstanding
    assert "labels have changed" in web.get("/projects/9/status").json()["warnings"][0]


def test_projects_are_apart(web: Web, redis: Redis) -> None:
    """One project's event is not another's."""
    web.post("/setup", {**SETUP, "project": "3.1"})
    redis.delete(Keys(3).events)
    web.post("/webhook", event("ANNOTATION_CREATED", annotation=ANNOTATION, task=TASK))
    assert pending_work.pending(redis, 3, Work.TRAINING).wanted == 0


def test_recompute_and_status(web: Web) -> None:
    """202 with the job, which the status shows as waiting."""
    answer = web.post("/projects/2/recompute", None)
    assert answer.status_code == 202
    status = web.get("/projects/2/status").json()
    assert status["waiting"] == ["round"]
    assert (status["version"], status["round"], status["next_tasks"], status["running"]) == (
        None,
        None,
        [],
        None,
    )
    assert web.post("/projects/2/cancel", None).json() == {"jobs": [answer.json()["job"]]}
    assert web.get("/projects").json() == {"projects": [2]}


def test_a_recompute_may_ask_for_a_budget_and_a_strategy(web: Web, redis: Redis) -> None:
    """What may be asked for is told, with the project's own settings;
    what cannot be is refused and starts nothing."""
    web.post("/setup", {**SETUP, "extra_params": '{"budget": 7}'})
    known = web.get("/projects/2/recompute").json()
    assert (known["budget"], known["strategy"], known["most_budget"]) == (7, "task_dependent", 1000)
    assert {"random", "ensemble", "task_dependent", "trusted"} <= set(known["strategies"])
    refused: list[tuple[Any, int, str]] = [
        ({"budget": 0}, 422, "budget"),
        ({"budget": "3"}, 422, "'3'"),
        ({"budget": 1001}, 422, "1000"),
        ({"strategy": "best"}, 422, "task_dependent"),
        ({"seed": 1}, 422, "unknown keys seed; known are budget, strategy"),
        ({"candidates": 0}, 422, "candidates: found 0, expected a whole number"),
        ([3], 400, "a list"),
    ]
    for body, status, words in refused:
        answer = web.post("/projects/2/recompute", body)
        assert (answer.status_code, words in answer.json()["message"]) == (status, True), answer.text
    assert web.client.post("/projects/2/recompute", content=b"{").status_code == 400
    assert web.get("/projects/2/status").json()["waiting"] == []
    (search,) = [option for option in known["options"] if option["name"] == "search"]
    assert (search["strategies"], search["value"], "greedy" in search["choices"]) == (
        ["ensemble"],
        "auto",
        True,
    )
    own = {option["name"]: option["value"] for option in known["options"]}
    assert (own["candidates"], own["objective"], own["mutual"]) == (16, "", "")  # each strategy has its own
    answer = web.post("/projects/2/recompute", {"budget": 3, "strategy": "random", "candidates": 4})
    assert answer.status_code == 202
    assert answer.json()["page"] == f"{web.url}/projects/2"
    stands = round_request.read_pending(redis, 2)
    assert (stands.budget, stands.strategy, stands.options) == (3, "random", {"candidates": 4})
    web.post("/projects/2/cancel", None)


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


def test_an_event_with_strange_contents_is_no_error(web: Web) -> None:
    """Label Studio's events grow fields; what is not understood is passed over."""
    for fields in (
        {"annotation": None},
        {"annotation": [1]},
        {"annotation": {"task": "x"}, "task": 5},
        {"annotations": {"id": 1}},
        {},
    ):
        assert web.post("/webhook", event("ANNOTATION_CREATED", **fields)).status_code == 201


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


def test_webhooks_of_concurrent_annotators_are_all_noted(web: Web, redis: Redis) -> None:
    """20 submit at once, five times, with masks: none is lost.
    How long they wait is measured in tests/benchmarks."""
    annotation = {**ANNOTATION, "result": [{"type": "brushlabels", "value": {"rle": list(range(256)) * 60}}]}
    clients = [httpx.Client(base_url=web.url, auth=AUTH, timeout=60) for _ in range(20)]

    def submit(number: int) -> None:
        body = event(
            "ANNOTATION_CREATED", annotation={**annotation, "task": number}, task={**TASK, "id": number}
        )
        assert clients[number % 20].post("/webhook", json=body).status_code == 201

    with ThreadPoolExecutor(20) as executor:
        list(executor.map(submit, range(100)))
    for client in clients:
        client.close()
    assert state(redis, Work.TRAINING).labels >= 100  # one may be noted twice where Redis was slow to answer
    assert redis.scard(Keys(2).labelled) == 100


def test_nobody_else_waits_for_a_prediction(web: Web, redis: Redis) -> None:
    """Not even where the process that predicts is stuck, or ends: whoever asked it is told, all others are
    answered, and a new one takes its place."""
    redis.sadd(PROJECTS, 2, 7)
    publish_version(web.settings.model_dir, 7, steps=2)
    master = psutil.Process(web.running.program_pid)
    predictor = max(master.children(), key=lambda each: (each.create_time(), each.pid))
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as executor:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/never.png"
        task = {"id": 1, "data": {"image": address}}
        waiting = executor.submit(web.post, "/predict", predict_body([task], "7.1"))
        silent.settimeout(60)
        connection, _ = silent.accept()  # it is being worked on now
        predictor.suspend()  # as any work in one piece would
        with httpx.Client(base_url=web.url, auth=AUTH, timeout=20) as client:
            assert client.get("/health").status_code == 200
            assert client.post("/setup", json=SETUP).status_code == 200
            event = {"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "task": 1}, "project": {"id": 2}}
            assert client.post("/webhook", json=event).status_code == 201
        assert not waiting.done()
        predictor.kill()
        refused = waiting.result()
        connection.close()
    assert refused.status_code == 503
    assert "MAX_MEGAPIXELS" in refused.json()["message"]
    assert eventually(lambda: len(master.children()) == 2)
    assert httpx.get(f"{web.url}/health", timeout=20).status_code == 200


HEAD = b"POST /webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10000\r\n"


def quickest_health(web: Web) -> float:
    """Seconds to an answer: the best of several tries, whatever the machine does beside it."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        assert httpx.get(f"{web.url}/health", timeout=60).status_code == 200
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def test_silent_clients_do_not_keep_others_waiting(web: Web) -> None:
    """More cut connections than there are threads, in the midst of a header or of a body:
    given up after some seconds, for good."""
    login = b"Authorization: Basic " + base64.b64encode(":".join(AUTH).encode()) + b"\r\n\r\n{"
    with contextlib.ExitStack() as stack:
        for number in range(32):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", web.settings.port)))
            client.sendall(HEAD + (login if number % 2 else b""))
        assert quickest_health(web) < 1
        client.settimeout(60)
        answer = b"".join(iter(lambda: client.recv(4096), b""))  # until it is closed
        assert answer.startswith(b"HTTP/1.1 408 ")
    assert "gave up a client that went silent" in web.log.read_text()


def test_trickling_clients_hold_no_thread(web: Web) -> None:
    """Four times as many as there are threads, each with another header line now and then, in a head and in a
    body."""
    clients = [socket.create_connection(("127.0.0.1", web.settings.port)) for _ in range(96)]
    try:
        for number, client in enumerate(clients):
            client.sendall(HEAD + (b"\r\n{" if number % 2 else b""))
        for turn in range(3):
            for client in clients:
                client.sendall(f"X-Line-{turn}: x\r\n".encode())
            assert quickest_health(web) < 1
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET a://" + b"1" * 60_000 + b" x",
        b"GET /a://" + b"1" * 60_000 + b" HTTX/1.1",
        b"GET / HTTP/1.1\r\nX:" + b" \t" * 30_000 + b"x",
        b"GET http://[:: HTTP/1.1",
        b"POST /webhook HTTP/1.1\r\nContent-Length: " + b"9" * 5000,
        b"POST /webhook HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 20_000,
        b"POST /webhook HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 5_000,
    ],
    ids=["address", "version", "blanks", "no address", "length", "length of a chunk", "headers at the end"],
)
def test_what_would_take_minutes_to_read_is_refused_at_once(web: Web, head: bytes) -> None:
    """One request without a password would stop the loop that serves everybody, or go without an answer."""
    with socket.create_connection(("127.0.0.1", web.settings.port), timeout=60) as client:
        client.sendall(head + b"\r\n\r\n")
        assert client.recv(4096).startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))


def test_address_with_a_server_counts_whatever_the_host_header_says() -> None:
    parser = Parser(Adjustments())
    parser.received(b"GET http://evil.example/projects HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (parser.path, parser.headers["HOST"]) == ("/projects", "evil.example")


def test_body_of_who_will_be_refused_is_not_kept(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of them could fill the disk, without a password."""
    monkeypatch.setattr(gunicorn_worker, "get_settings", lambda: web.settings)
    right = base64.b64encode(":".join(AUTH).encode())
    kept = []
    for login in (b"", b"Basic eDp5", b"Bearer 2.x", b"Basic " + right):
        parser = Parser(Adjustments())
        parser.received(HEAD + b"Authorization: " + login + b"\r\n\r\n")
        parser.received(b"x" * 10_000)
        assert parser.completed
        kept.append(len(parser.get_body_stream().read()))
        parser.close()
    assert kept == [0, 0, 0, 10_000]
    answer = httpx.post(f"{web.url}/predict", content=b"x" * 3_000_000, timeout=60)
    assert (answer.status_code, "BASIC_AUTH_USER" in answer.text) == (401, True)


def test_whoever_holds_connections_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many, the older ones that ask nothing are closed; requests, and answers on their way, are not."""
    monkeypatch.setattr(gunicorn_worker, "CROWDED", 5)
    server, now = Server.__new__(Server), time.time()
    server.active_channels = {}
    for number in range(6):
        channel: Any = Channel.__new__(Channel)
        channel.creation_time = channel.last_activity = channel.begun = now + number
        channel.requests, channel.total_outbufs_len = [], 0
        channel.request = Parser(Adjustments()) if number != 3 else None
        channel.will_close = channel.close_when_flushed = False
        server.active_channels[number] = channel
    server.active_channels[0].request.headers_finished = True
    server.active_channels[1].requests = [Parser(Adjustments())]
    server.active_channels[2].total_outbufs_len = 1
    server.maintenance(now)
    assert [number for number, each in server.active_channels.items() if each.will_close] == [3, 4]


def test_whole_request_has_a_limit_however_it_trickles() -> None:
    """Each byte is new activity, so the limit counts from the first."""
    channel = Channel.__new__(Channel)
    request = HTTPRequestParser(Adjustments())
    channel.begun, channel.request = 1000.0, request
    for finished, limit in ((False, HEAD_SECONDS), (True, REQUEST_SECONDS)):
        request.headers_finished = finished
        for seconds, late in ((limit - 1, False), (limit + 1, True)):
            channel.last_activity = 1000.0 + seconds
            assert channel.late(1000.0 + seconds) is late
