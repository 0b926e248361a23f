"""How long Label Studio and its annotators wait for this service."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from redis import Redis

from backend.labelstudio.labels.config import EXAMPLE
from backend.queue import pending_work
from backend.queue.connection import PROJECTS
from backend.queue.pending_work import Work
from backend.run.processes import free_port
from backend.store.storage import Storage
from backend.store.version_record import VersionRecord
from backend.store.versions import Versions, now
from model.network.checkpoint import TrainedModel
from model.network.recipe import Recipe
from model.network.training import train
from model.network.unet import build_network
from tests.service.conftest import AUTH, Web, redis, redis_server, start_web, web

__all__ = ["redis", "redis_server", "web"]
PROJECT = {"id": 2, "label_config": EXAMPLE}
BRUSH = [
    {"type": "brushlabels", "value": {"format": "rle", "rle": list(range(256)) * 60, "brushlabels": ["Axon"]}}
]


def told(name: str, seconds: list[float], rival: str = "", others: list[float] | None = None) -> None:
    """Print median and 95th percentile, and those of a rival in the same run as ratios."""
    middle, high = np.quantile(seconds, [0.5, 0.95])
    print(f"\n{name}: p50 {middle * 1000:.0f} ms, p95 {high * 1000:.0f} ms, {len(seconds)} times")
    if others:
        slower = np.quantile(others, [0.5, 0.95])
        ratios = f"{slower[0] / middle:.1f}x of ours, p95 {slower[1] * 1000:.0f} ms, {slower[1] / high:.1f}x"
        print(f"  {rival}: p50 {slower[0] * 1000:.0f} ms, {ratios}, {len(others)} times")


@pytest.fixture
def big_image(web: Web) -> Callable[[int], str]:
    """512 x 512 images with structure, inside the task's data."""
    del web

    def make(number: int) -> str:
        random = np.random.default_rng(number)
        values = np.kron(random.normal(0, 1, (64, 64)), np.ones((8, 8))) + random.normal(0, 0.3, (512, 512))
        stream = io.BytesIO()
        Image.fromarray(np.clip(128 + 40 * values, 0, 255).astype(np.uint8)).save(stream, "PNG")
        return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()

    return make


@pytest.mark.benchmark
def test_predict_of_one_task(web: Web, redis: Redis, big_image: Callable[[int], str]) -> None:
    """Aim:
    p50 0.4 s or less for 512 x 512 at the default network on two idle cores, mask coding and HTTP included.

    The rival is the usual choice of a small network, smp's U-Net on resnet18, in the same service;
    requests take turns.
    """
    recipes = {2: Recipe(), 3: Recipe(encoder="resnet18", depth=5)}
    for project, recipe in recipes.items():
        versions = Versions(Storage(web.settings.model_dir), project)
        network = build_network(recipe.encoder, 2, width=recipe.width, depth=recipe.depth).eval()
        versions.save(
            TrainedModel(network, 2, recipe),
            VersionRecord("v1", "job", now(), ("Axon",), {}, 0, recipe.to_dict()),
        )
        versions.make_current("v1", by="benchmark")
        redis.sadd(PROJECTS, project)
    seconds: dict[int, list[float]] = {project: [] for project in recipes}
    for number in range(43):
        for project in recipes:
            task = {"id": number, "data": {"image": big_image(number)}, "project": project}
            body = {
                "tasks": [task],
                "project": f"{project}.1",
                "label_config": EXAMPLE,
                "params": {"context": None},
            }
            started = time.perf_counter()
            (item,) = web.post("/predict", body).raise_for_status().json()["results"]
            seconds[project].append(time.perf_counter() - started)
            assert item["model_version"] == "v1"
            assert item["result"]
    told("predict", seconds[2][3:], "smp resnet18", seconds[3][3:])


@pytest.mark.benchmark
def test_webhook_of_twenty_at_once(web: Web, redis: Redis, tmp_path: Path) -> None:
    """Aim: p95 200 ms or less, with a mask in each. The rival learns inside the request:
    one gradient step on one crop."""
    redis.sadd(PROJECTS, 2)
    rival = start_web(
        web.settings.model_copy(update={"port": free_port()}),
        tmp_path,
        "tests.benchmarks.synchronous_fit:create_app()",
    )
    try:
        ours, theirs = (_submits(url, times) for url, times in ((web.url, 400), (rival.url, 60)))
    finally:
        rival.running.stop()
    assert pending_work.pending(redis, 2, Work.TRAINING).labels == 400
    told("webhook, 20 at once", ours, "synchronous fit", theirs)


def _submits(url: str, times: int) -> list[float]:
    """Seconds of each submit, 20 at once, each annotator on a connection of their own."""
    clients = [httpx.Client(base_url=url, auth=AUTH, timeout=100) for _ in range(20)]

    def submit(number: int) -> float:
        annotation = {"id": number, "task": number, "was_cancelled": False, "result": BRUSH}
        body = {"action": "ANNOTATION_CREATED", "annotation": annotation, "project": PROJECT}
        started = time.perf_counter()
        clients[number % 20].post("/webhook", json=body).raise_for_status()
        return time.perf_counter() - started

    with ThreadPoolExecutor(20) as executor:
        seconds = list(executor.map(submit, range(times)))
    for client in clients:
        client.close()
    return seconds


@pytest.mark.benchmark
@pytest.mark.parametrize(("side", "images"), [(512, 100), (4096, 2), (8000, 1)], ids=str)
def test_health_beside_a_long_predict(web: Web, redis: Redis, tmp_path: Path, side: int, images: int) -> None:
    """Aim: 50 ms or less, whatever is predicted: many images in one request, as "Retrieve predictions" sends
    them, or large ones. Images and masks are noise: no mask has a longer code."""
    recipe = Recipe(steps=30)
    versions = Versions(Storage(web.settings.model_dir), 4)
    if not versions.names():
        image = np.random.default_rng(1).normal(0, 1, (256, 256, 3)).astype(np.float32)
        model = train([image], [(image[..., 0] > 0).astype(np.uint8)], classes=2, recipe=recipe, seed=0)
        versions.save(model, VersionRecord("v1", "job", now(), ("Axon",), {}, 0, recipe.to_dict()))
        versions.make_current("v1", by="benchmark")
    redis.sadd(PROJECTS, 4)
    values = np.random.default_rng(0).integers(0, 255, (side, side), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "noise.png")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/noise.png"
        tasks = [{"id": number, "data": {"image": address}} for number in range(images)]
        body = {"tasks": tasks, "project": "4.1", "label_config": EXAMPLE, "params": {"context": None}}
        # A server that starts with models has loaded the libraries by then.
        web.post("/predict", {**body, "tasks": tasks[:1]}).raise_for_status()
        (tmp_path / "body.json").write_text(json.dumps(body))
        started, seconds = time.perf_counter(), []
        # By another process: reading the answer would keep this one from asking.
        running = subprocess.Popen([sys.executable, "-c", ASKING, web.url, str(tmp_path)])
        while running.poll() is None:
            asked = time.perf_counter()
            web.get("/health").raise_for_status()
            seconds.append(time.perf_counter() - asked)
            time.sleep(0.01)
        whole, answer = time.perf_counter() - started, (tmp_path / "answer.json").read_bytes()
        server.shutdown()
    assert len(json.loads(answer)["results"]) == images
    told(f"health beside /predict of {images} images of {side} pixels ({whole:.0f} s)", seconds)
    print(f"  longest {max(seconds) * 1000:.0f} ms; the answer has {len(answer) / 1e6:.0f} MB")


ASKING = f"""
import sys, httpx
from pathlib import Path
folder = Path(sys.argv[2])
body = (folder / "body.json").read_bytes()
headers = {{"Content-Type": "application/json"}}
answer = httpx.post(sys.argv[1] + "/predict", content=body, headers=headers, auth={AUTH!r}, timeout=600)
(folder / "answer.json").write_bytes(answer.raise_for_status().content)
"""


TRAINING = """
import numpy as np
from model.network.recipe import Recipe
from model.network.training import train
image = np.random.default_rng(0).normal(0, 1, (512, 512, 3)).astype(np.float32)
begun = lambda step, steps: print(step, flush=True) if step == 1 else None
mask = (image[..., 0] > 0).astype(np.uint8)
train([image], [mask], classes=2, recipe=Recipe(), seed=0, steps=100_000, on_step=begun)
"""


@pytest.mark.benchmark
def test_health_and_setup(web: Web, redis: Redis) -> None:
    """Aims:
    health within 50 ms, setup within 200 ms, also while a network is trained on all cores (by a worker:
    another process)."""
    del redis
    answering_times(web, "alone")
    training = subprocess.Popen([sys.executable, "-c", TRAINING], stdout=subprocess.PIPE)
    try:
        assert training.stdout is not None
        assert training.stdout.readline() == b"1\n"
        answering_times(web, "beside a training")
        assert training.poll() is None
    finally:
        training.kill()
        training.communicate()


def answering_times(web: Web, when: str) -> None:
    """Print how long /health and /setup take."""
    setup = {"project": "2.1", "schema": EXAMPLE, "hostname": "", "access_token": "", "extra_params": None}
    for name, call in {
        "health": lambda: web.get("/health"),
        "setup": lambda: web.post("/setup", setup),
    }.items():
        seconds = []
        for _ in range(100):
            started = time.perf_counter()
            call().raise_for_status()
            seconds.append(time.perf_counter() - started)
        told(f"{name}, {when}", seconds)
        print(f"  longest {max(seconds) * 1000:.0f} ms")
