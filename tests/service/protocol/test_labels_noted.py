"""What becomes of Label Studio's events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from redis import Redis

from backend.queue.connection import Keys
from backend.queue.pending_work import Work
from tests.service.conftest import AUTH, Web
from tests.service.protocol.conftest import ANNOTATION, TASK, event, state


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
