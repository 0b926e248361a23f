"""Masks that Label Studio asks for."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import psutil
from redis import Redis

from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import to_mask
from backend.queue import pending_work
from backend.queue.connection import PROJECTS, Keys
from backend.queue.pending_work import Work
from model.network.dice import dice
from tests.service.conftest import AUTH, Web, picture, publish_version
from tests.service.protocol.conftest import ANNOTATION, SETUP, TASK, event, predict_body
from tests.waiting import eventually


def test_predict_without_a_model_answers_empty_results(web: Web) -> None:
    """One item a task, each with the version that /setup tells, so that Label Studio asks again once there is
    a model."""
    answer = web.post("/predict", predict_body([TASK, {**TASK, "id": 27}]))
    assert answer.json() == {"results": [{"result": [], "score": 0.0, "model_version": "v0"}] * 2}


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
