"""Real Redis, real gunicorn, and images served over HTTP, for the tests of the service."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from redis import Redis

from backend.demo.server import LabelStudioServer
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.queue import connection as connections
from backend.run import service
from backend.run.processes import Program, Running, free_port
from backend.run.redis_server import EmbeddedRedis
from backend.settings import Settings, get_settings, read_settings
from backend.store.storage import Storage
from backend.store.version_record import VersionRecord
from backend.store.versions import Versions, now
from model.data.images.reading import decode_image
from model.network.checkpoint import TrainedModel
from model.network.recipe import Recipe
from model.network.training import train

TINY = {"width": 4, "depth": 2, "max_side": 64, "crop": 32, "batch": 2, "steps": 20, "row_steps": 10}
"""A recipe that trains in about a second."""
AUTH = ("label-studio", "s3cret: with a colon")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """One Redis for all tests of the service; each test that writes uses `redis`, which empties it."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"), port=free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator[Redis]:
    """An empty Redis."""
    with Redis.from_url(redis_server.address) as client:
        client.flushall()
        yield client


@contextmanager
def default_settings() -> Iterator[None]:
    """Settings are the defaults:
    those of a service that other tests share, and keep running, are out of sight."""
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        yield


@pytest.fixture(scope="module", autouse=True)
def defaults() -> Iterator[None]:
    """The same for the tests of a module."""
    with default_settings():
        yield


@pytest.fixture
def use_label_studio(
    redis: Redis,
    redis_server: EmbeddedRedis,
    label_studio: LabelStudioServer,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., httpx.Client]]:
    """Puts settings in force: those of an empty Redis, an empty MODEL_DIR, a tiny recipe and the real Label
    Studio, and what is given; returns a client of the administrator."""
    del redis
    headers = {"Authorization": f"Token {label_studio.token}"}
    with httpx.Client(base_url=label_studio.url, headers=headers, timeout=60) as http:

        def use(**values: Any) -> httpx.Client:
            use_settings(
                monkeypatch,
                redis_url=redis_server.address,
                model_dir=tmp_path_factory.mktemp("models"),
                recipe=TINY,
                label_studio_url=label_studio.url,
                label_studio_api_key=label_studio.token,
                **values,
            )
            return http

        yield use


@pytest.fixture
def settings(
    redis: Redis, redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of this process and of those it starts, with a fresh MODEL_DIR and the empty Redis."""
    del redis
    return use_settings(
        monkeypatch, redis_url=redis_server.address, model_dir=tmp_path / "models", recipe=TINY
    )


def use_settings(monkeypatch: pytest.MonkeyPatch, **values: Any) -> Settings:
    """Put settings in force in this process, as if the environment said so."""
    of_tests = {
        "label_studio_url": "http://127.0.0.1:9",
        "label_studio_api_key": "none",
        "threads": 1,
        "image_hosts": "127.0.0.1",
    }
    # Live turns have a test file of their own; the others are about what comes with the batches, and about
    # the strategy that has most to tell.
    defaults = {"live": False, "strategy": "task_dependent", **values.pop("project_defaults", {})}
    chosen = read_settings(**{**of_tests, **values, "project_defaults": defaults})
    for name, value in service.environment(chosen).items():
        if name not in ("PYTHONPATH", "PYTHONUNBUFFERED"):
            monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    connections.forget_connections()
    return get_settings()


@dataclass
class Web:
    """A gunicorn that runs, and how to call it."""

    url: str
    settings: Settings
    running: Running
    log: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, auth=self.settings.basic_auth, timeout=60)

    def get(self, path: str, **keywords: Any) -> httpx.Response:
        return self.client.get(path, **keywords)

    def post(self, path: str, body: Any, **keywords: Any) -> httpx.Response:
        return self.client.post(path, json=body, **keywords)


def start_web(settings: Settings, folder: Path, app: str | None = None) -> Web:
    """Start gunicorn as `python -m backend up` does, and wait until it answers;
    with `app` it serves another application."""
    log = folder / "web.log"
    command = service.web_command() if app is None else [*service.web_command()[:-1], app]
    running = Program("web", command, environment=service.environment(settings), log=log).start()
    url = f"http://127.0.0.1:{settings.port}"

    def healthy() -> bool:
        try:
            return httpx.get(f"{url}/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        running.wait_until(healthy, timeout=120)
    except BaseException:
        running.stop()
        raise
    return Web(url, settings, running, log)


@pytest.fixture(scope="module")
def web(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """One gunicorn for the tests of a module."""
    with running_web(redis_server, tmp_path_factory.mktemp("web")) as served:
        yield served


@contextmanager
def running_web(redis_server: EmbeddedRedis, folder: Path) -> Iterator[Web]:
    """A gunicorn with Basic auth and a small limit on bodies, which stops afterwards."""
    settings = read_settings(
        redis_url=redis_server.address,
        model_dir=folder / "models",
        port=free_port(),
        basic_auth_user=AUTH[0],
        basic_auth_pass=AUTH[1],
        label_studio_url="http://127.0.0.1:9",  # nobody answers there
        label_studio_api_key="none",
        max_body_mb=2,
        recipe=TINY,
        image_hosts="127.0.0.1",
        project_defaults={"live": False, "strategy": "task_dependent"},
    )
    with Redis.from_url(redis_server.address) as client:
        client.flushall()
    served = start_web(settings, folder)
    with served.client:  # or the server would wait at its end for this client
        yield served
    served.running.stop()


@pytest.fixture(scope="module")
def image_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], str]]:
    """Addresses of images by number: bright discs on noise, 80 x 96 pixels.
    Number 404 is gone, 500 is no image, 20000 has so many pixels a side."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(40):
        (folder / f"{number}.png").write_bytes(picture(number)[0])
    (folder / "500.png").write_bytes(b"not an image")
    handler = partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def address(number: int) -> str:
        if number == 20_000:
            (folder / "20000.png").write_bytes(stripes(number))
        return f"http://127.0.0.1:{server.server_address[1]}/{number}.png"

    yield address
    server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        del format, args


def picture(number: int) -> tuple[bytes, np.ndarray[Any, np.dtype[np.uint8]]]:
    """An encoded image and its mask, uint8 (80, 96) of 0 and 1."""
    random = np.random.default_rng(number)
    rows, columns = np.mgrid[0:80, 0:96]
    mask = np.zeros((80, 96), dtype=np.uint8)
    for _ in range(3):
        centre = random.uniform(15, 65), random.uniform(15, 80)
        mask |= ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < random.uniform(6, 12) ** 2).astype(
            np.uint8
        )
    values = np.clip(60 + 120 * mask + random.normal(0, 15, mask.shape), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue(), mask


def stripes(side: int) -> bytes:
    """A whole PNG image of one bit a pixel, in some hundred kB: 50 MB of lines at 20,000 pixels a side."""
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    lines = zlib.compress((b"\0" + b"\x0f" * (side // 8)) * side, 1)
    parts = ((b"IHDR", head), (b"IDAT", lines), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def publish_version(
    model_dir: Path, project_id: int, name: str = "v1", *, steps: int = 60, label_config: str = EXAMPLE
) -> None:
    """Put a tiny network in use that was trained on discs."""
    config = parse(label_config)
    model = trained_model(steps, config.classes)
    record = VersionRecord(name, f"job-{name}", now(), config.labels, {"1": "a"}, 0, model.recipe.to_dict())
    versions = Versions(Storage(model_dir), project_id)
    versions.save(model, record)
    versions.make_current(name, by="test")


@lru_cache
def trained_model(steps: int, classes: int) -> TrainedModel:
    """A tiny network that was trained on discs, once for all tests of a process."""
    recipe = Recipe.from_dict({**TINY, "max_side": 96, "steps": steps})
    images, masks = zip(
        *((decode_image(data, "x"), mask) for data, mask in (picture(number) for number in range(4))),
        strict=True,
    )
    torch.set_num_threads(1)  # several threads wait for each other on a machine that is busy
    return train(images, masks, classes=classes, recipe=recipe, seed=0)
