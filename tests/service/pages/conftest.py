"""A project with everything that its page shows, and how a page is read."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import numpy as np
import pytest
from redis import Redis

from backend.jobs.round.similarity_map import similarity_map
from backend.jobs.round.thumbnails import thumbnail
from backend.queue import pending_work
from backend.queue.connection import COMPUTE, CONTROL
from backend.queue.project_info import ProjectInfo
from backend.run.redis_server import EmbeddedRedis
from backend.store.storage import Storage
from backend.store.version_record import VersionRecord
from backend.store.versions import Versions
from model.data.images.reading import decode_raw
from tests.service.conftest import Web, default_settings, picture, running_web

PROJECT = 7


PAGE = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


FOLDER = f"projects/{PROJECT}"


ROUND = "v1.r1"


@pytest.fixture(scope="package")
def page_server(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """One gunicorn for the tests of this folder."""
    with default_settings(), running_web(redis_server, tmp_path_factory.mktemp("web")) as served:
        yield served


@pytest.fixture
def web(page_server: Web) -> Web:
    """The same, as other tests of the service call it."""
    return page_server


@pytest.fixture
def storage(web: Web, redis: Redis) -> Iterator[Storage]:
    """The storage of the web server, with a project that is connected and has nothing yet."""
    storage = Storage(web.settings.model_dir)
    storage.remove(FOLDER)
    pending_work.register(redis, PROJECT, ProjectInfo(title="Axons <b>& co</b>", tasks=12, labelled=3))
    yield storage
    storage.remove(FOLDER)


@pytest.fixture
def full(storage: Storage) -> Storage:
    """The project with a version, an order, its pictures and figures, and submits."""
    version = VersionRecord(
        "v1",
        "job",
        "2026-11-23T08:00:00+00:00",
        ("Axon",),
        {"1": "a", "2": "b", "3": "c"},
        0,
        {},
        held_out_dice=0.7,
    )
    storage.write_json(f"{FOLDER}/versions/v1/model.json", {"record": version.to_dict()})
    Versions(storage, PROJECT).make_current("v1", by="training")
    order = list(range(20, 32))
    reason = {"kind": "compared", "image": "31"}
    queries = {
        str(task): {
            "rank": rank,
            "reason": reason | {"raised": [0.52, 0.6 + rank / 100], "represents": rank}
            if rank != 2
            else "in words <i> of an earlier release",
        }
        | {"expected_dice": 0.6 + rank / 100, "helps": ["31"]}
        for rank, task in enumerate(order, start=1)
    }
    record = {
        "round": ROUND,
        "time": "2026-11-23T09:00:00+00:00",
        "reason": "asked for",
        "strategy": "task_dependent",
        "budget": 2,
    }
    record |= {
        "cold_start": False,
        "message": "",
        "version": "v1",
        "seed": 0,
        "labels": [1, 2, 3],
        "order": order,
        "batch": order[:2],
    }
    record |= {
        "queries": queries,
        "unreadable": {},
        "notes": {"worst_before": 0.52, "value": 0.62, "upper_bound": 0.64},
        "masks": 12,
        "answered": [],
        "tasks": 12,
        "seconds": 3.0,
    }
    storage.write_json(f"{FOLDER}/rounds/{ROUND}/record.json", record)
    storage.write_json(f"{FOLDER}/current-round.json", {"round": ROUND})
    names = {str(task): {"name": f"image {task}.png", "picture": task == 20} for task in order[:3]}
    storage.write_json(f"{FOLDER}/rounds/{ROUND}/pictures.json", {"tasks": names})
    data, mask = picture(1)
    path = storage.path(f"{FOLDER}/rounds/{ROUND}/pictures/20.jpg")
    path.parent.mkdir(parents=True)
    path.write_bytes(thumbnail(decode_raw(data, "x"), mask))
    matrix = np.full((12, 12), 0.7, dtype=np.float32)
    storage.write_json(
        f"{FOLDER}/rounds/{ROUND}/similarity.json",
        similarity_map([str(task) for task in order], matrix, ["20"], []),
    )
    seen = {
        "task": 4,
        "annotation": 1,
        "time": "2026-11-23T08:00:00Z",
        "updated": "",
        "round": "v0.r1",
        "version": "v1",
        "dice": 0.83,
    }
    storage.write_json(f"{FOLDER}/live-quality.json", {"agreements": [seen]})
    return storage


def page(web: Web, path: str = f"/projects/{PROJECT}", status: int = 200) -> str:
    answer = web.get(path, headers=PAGE)
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        status,
        "text/html; charset=utf-8",
    ), answer.text
    return answer.text


def words(text: str) -> str:
    """The text of a page as a reader sees it."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text)))


def part(text: str, name: str) -> str:
    """What a reader sees of a part of a page, by its id."""
    found = re.search(rf'<(\w+)[^>]* id="{name}".*?</\1>', text, re.DOTALL)
    assert found, name
    return words(found[0])


def enqueued(redis: Redis) -> int:
    return sum(int(redis.llen(f"rq:queue:{name}")) for name in (CONTROL, COMPUTE))
