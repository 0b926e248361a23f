"""Images that are away, broken or too large are missing by name;
all else goes on, and takes them up once they are there."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import numpy as np
import pytest
from PIL import Image
from redis import Redis

from backend.demo.server import LabelStudioServer
from backend.doctor import examine
from backend.finding import Severity
from backend.jobs import entry_points
from backend.jobs.masks.predict_masks import draw
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import from_mask
from backend.project import missing_images
from backend.project.context import open_context
from backend.queue import enqueue, pending_work
from backend.queue.connection import COMPUTE, CONTROL, Keys, as_text
from backend.queue.lease import Fence
from backend.queue.pending_work import Work
from backend.run.redis_server import EmbeddedRedis
from backend.run.worker import create_worker, load_what_jobs_need
from backend.settings import Settings
from backend.store.round_record import RoundRecord, round_in_force
from backend.web.segmenter import Segmenter
from model.data.images.tiff import Decoded
from tests.object_store import BUCKET, ObjectStore
from tests.service.conftest import TINY, picture, publish_version, use_settings
from tests.states import read_status

MANY = 1.0
"""Million pixels that the service works on here."""


@dataclass
class Lab:
    """A project whose images lie in Label Studio, in a storage that can be away, and, one, are too large."""

    project: int
    store: ObjectStore
    http: httpx.Client
    settings: Settings
    uploads: list[int] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)
    large: int = 0

    @property
    def tasks(self) -> list[dict[str, Any]]:
        answer = self.http.get(
            "/api/tasks",
            params={"project": self.project, "resolve_uri": "false", "page_size": 100, "fields": "all"},
        )
        return sorted(answer.raise_for_status().json()["tasks"], key=lambda task: task["id"])

    def label(self, task: int, number: int) -> None:
        regions = from_mask(picture(number)[1], parse(EXAMPLE))
        self.http.post(f"/api/tasks/{task}/annotations/", json={"result": regions}).raise_for_status()

    def upload(self, content: bytes) -> int:
        before = {task["id"] for task in self.tasks}
        upload = {"file": ("cell.png", content, "image/png")}
        self.http.post(f"/api/projects/{self.project}/import", files=upload).raise_for_status()
        (new,) = {task["id"] for task in self.tasks} - before
        return int(new)

    def round(self) -> RoundRecord:
        """Run a round; its record."""
        name = entry_points.start_round(self.project, "test")["round"]
        context = open_context(self.project)
        entry_points.finish_round(self.project, name)  # it does what no worker has done
        context.redis.delete(context.keys.jobs)  # those that this was done in place of
        record = round_in_force(context.storage, context.project_id)
        assert record is not None
        assert record.round == name
        return record


@pytest.fixture
def lab(
    redis: Redis,
    redis_server: EmbeddedRedis,
    label_studio: LabelStudioServer,
    object_store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Lab]:
    settings = use_settings(
        monkeypatch,
        redis_url=redis_server.address,
        model_dir=tmp_path,
        recipe={**TINY, "max_side": 96},
        label_studio_url=label_studio.url,
        label_studio_api_key=label_studio.token,
        project_defaults={"similarity": "unet", "candidates": 2, "budget": 2, "folds": 0},
        max_megapixels=MANY,
    )
    headers = {"Authorization": f"Token {label_studio.token}"}
    with httpx.Client(base_url=label_studio.url, headers=headers, timeout=60) as http, object_store.signed():
        body = {
            "title": "Missing",
            "label_config": EXAMPLE,
            "maximum_annotations": 1,
            "sampling": "Uncertainty sampling",
        }
        project = int(http.post("/api/projects", json=body).raise_for_status().json()["id"])
        found = Lab(project, object_store, http, settings)
        found.uploads = [found.upload(picture(number)[0]) for number in range(4)]
        _store(found)
        found.stored = [task["id"] for task in found.tasks][4:]
        stream = io.BytesIO()
        Image.fromarray(np.zeros((1100, 1100), dtype=np.uint8)).save(stream, "PNG")
        found.large = found.upload(stream.getvalue())
        pending_work.register(redis, project)
        yield found


def _store(lab: Lab) -> None:
    """Two images in the object store, in tasks that Label Studio hands out with signed addresses."""
    keys = {"aws_access_key_id": lab.store.key, "aws_secret_access_key": lab.store.secret}
    client = boto3.client("s3", endpoint_url=lab.store.url, region_name="us-east-1", **keys)
    for number in (4, 5):
        client.put_object(Bucket=BUCKET, Key=f"images-{lab.project}/{number}.png", Body=picture(number)[0])
    storage = {
        "project": lab.project,
        "bucket": BUCKET,
        "prefix": f"images-{lab.project}",
        "s3_endpoint": lab.store.url,
        "region_name": "us-east-1",
        "use_blob_urls": True,
        "presign": True,
        "regex_filter": ".*png",
        **keys,
    }
    made = lab.http.post("/api/storages/s3", json=storage).raise_for_status().json()["id"]
    lab.http.post(f"/api/storages/s3/{made}/sync").raise_for_status()


def look(lab: Lab) -> None:
    """As each minute; missing images are tried now."""
    open_context(lab.project).redis.hdel(open_context(lab.project).keys.info, "missing_tried")
    entry_points.look(lab.project)


def test_a_storage_that_is_away_costs_its_own_images_only(lab: Lab) -> None:
    """The round, its masks, /predict, looks and the training go on without them, and with them once it is
    back."""
    publish_version(lab.settings.model_dir, lab.project)
    lab.label(lab.stored[0], 4)
    for number, task in enumerate(lab.uploads[:2]):
        lab.label(task, number)
    with lab.store.away():
        record = lab.round()
        assert set(record.unreadable) == {str(lab.stored[1]), str(lab.large)}
        assert record.order[:2] == record.batch or set(record.batch) == set(lab.uploads[2:])
        assert sorted(record.order) == sorted([*lab.uploads[2:], lab.stored[1], lab.large])
        assert "does not answer" in record.unreadable[str(lab.stored[1])]
        assert "1100 x 1100" in record.unreadable[str(lab.large)]
        assert any("2 images cannot be read" in text for text in read_status(lab.project)["warnings"])
        results = Segmenter(lab.project, EXAMPLE).predict(lab.tasks)
        empty = {task["id"] for task, result in zip(lab.tasks, results, strict=True) if not result["result"]}
        assert empty == {*lab.stored, lab.large}
        (told,) = [text for text in read_status(lab.project)["warnings"] if "has no mask" in text]
        assert f".png (task {lab.stored[0]}): " in told, "the others are told with the order"
        assert entry_points.train(lab.project, "test")["labels"] == 2
        look(lab)
        found = examine(lab.settings, lab.project).projects[lab.project]
        (images,) = [each for each in found if each.subject == "images" and "does not answer" in each.text]
        assert images.severity is Severity.ERROR
        assert images.remedy.startswith(f"start the server at 127.0.0.1:{lab.store.gate.port}")
        assert not pending_work.pending(open_context(lab.project).redis, lab.project, Work.ROUND).outstanding
    for _ in range(3):  # of the missing images, some are tried each time
        look(lab)
    redis = open_context(lab.project).redis
    assert pending_work.pending(redis, lab.project, Work.TRAINING).outstanding
    assert pending_work.pending(redis, lab.project, Work.ROUND).outstanding
    assert entry_points.train(lab.project, "test")["labels"] == 3
    assert set(lab.round().unreadable) == {str(lab.large)}


def test_images_without_a_mask_are_named_until_they_are_back(lab: Lab) -> None:
    """Masks are also drawn between two rounds: the page says whose image does not come, and from where."""
    publish_version(lab.settings.model_dir, lab.project)

    def told() -> list[str]:
        return [text for text in read_status(lab.project)["warnings"] if "no mask" in text]

    def drawn() -> set[int]:
        job = open_context(lab.project)  # a failed address is not asked again by the same job
        return set(draw(job, "v1", parse(EXAMPLE), lab.stored, lambda *_: None) or {})

    with lab.store.away():
        assert drawn() == set()
        (text,) = told()
        assert all(f"task {task}" in text for task in lab.stored)
        assert f"images-{lab.project}/" in text
        assert "correct the addresses" in text
    missing_images.draw_again(open_context(lab.project), "v1.r1")
    assert told() == []
    assert drawn() == set(lab.stored)
    assert told() == []


def test_whatever_one_image_does_to_its_decoder_the_others_go_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that is not enough, for the image or for its brush, and errors that nobody thought of."""
    publish_version(lab.settings.model_dir, lab.project)
    lab.label(lab.uploads[0], 0)
    lab.label(lab.uploads[1], 1)
    bad = {
        f"task {lab.uploads[1]}": MemoryError(),
        f"task {lab.uploads[2]}": RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    }
    bad[f"task {lab.uploads[3]}"] = AssertionError("a decoder's own")
    from model.data.images import reading

    def failing(data: bytes, name: str, *, stored: bool = False, real: Any = reading.decode) -> Decoded:
        if name in bad:
            raise bad[name]
        return real(data, name, stored=stored)

    monkeypatch.setattr(reading, "decode", failing)
    record = lab.round()
    assert set(record.unreadable) == {str(task) for task in (*lab.uploads[2:], lab.large)}
    assert "not enough memory" in record.unreadable[str(lab.uploads[2])]
    assert "AssertionError: a decoder's own" in record.unreadable[str(lab.uploads[3])]
    assert record.labels == [lab.uploads[0]]
    results = Segmenter(lab.project, EXAMPLE).predict(lab.tasks)
    drawn = {task["id"] for task, result in zip(lab.tasks, results, strict=True) if result["result"]}
    assert drawn == {lab.uploads[0], *lab.stored}
    assert entry_points.train(lab.project, "test")["labels"] == 1
    assert any(
        f"task {lab.uploads[1]}" in text and "there is not enough memory" in text
        for text in read_status(lab.project)["warnings"]
    )


def test_an_image_that_kills_its_worker_each_time_is_left_out_by_name(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory ran out, or a decoder crashed:
    the round and the training come to their end at their third try, without that image alone."""
    publish_version(lab.settings.model_dir, lab.project)
    for number in (0, 1):
        lab.label(lab.uploads[number], number)
    from model.data.images import reading

    def deadly(data: bytes, name: str, *, stored: bool = False, real: Any = reading.decode) -> Decoded:
        if data in (picture(1)[0], picture(2)[0]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(data, name, stored=stored)

    monkeypatch.setattr(reading, "decode", deadly)
    # Free so long after its holder was killed.
    monkeypatch.setitem(Fence.__init__.__kwdefaults__, "seconds", 2.0)  # type: ignore[arg-type]
    redis = open_context(lab.project).redis
    load_what_jobs_need()  # else each job takes seconds to import it
    for _ in range(2):  # the first job finds the labelled one out, and fails with the other one
        enqueue.enqueue_round(lab.project, "test")
        create_worker(lab.settings, [CONTROL, COMPUTE]).work(burst=True)
    record = round_in_force(open_context(lab.project).storage, lab.project)
    assert record is not None
    assert set(record.unreadable) == {str(lab.uploads[2]), str(lab.large)}
    assert f"task {lab.uploads[2]}: 2 times the worker was killed" in record.unreadable[str(lab.uploads[2])]
    assert record.labels == [lab.uploads[0]]
    assert {as_text(task) for task in redis.hkeys(Keys(lab.project).kills)} == {
        str(task) for task in lab.uploads[1:3]
    }
    assert not redis.exists(Keys(lab.project).in_hand)
    assert not Segmenter(lab.project, EXAMPLE).predict(
        [task for task in lab.tasks if task["id"] == lab.uploads[2]]
    )[0]["result"]


def test_an_image_that_goes_while_the_round_runs_comes_last(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On whatever machine: the order is written, by looks where the comparison needs that image."""
    publish_version(lab.settings.model_dir, lab.project)
    for number, task in enumerate(lab.uploads[:3]):
        lab.label(task, number)
    name = entry_points.start_round(lab.project, "test")["round"]
    from model.data.images import reading

    def failing(data: bytes, name: str, *, stored: bool = False, real: Any = reading.decode) -> Decoded:
        if name == f"task {lab.stored[0]}":
            raise MemoryError
        return real(data, name, stored=stored)

    monkeypatch.setattr(reading, "decode", failing)
    assert entry_points.finish_round(lab.project, name)["tasks"] == 4
    record = round_in_force(open_context(lab.project).storage, lab.project)
    assert record is not None
    assert record.order.index(lab.stored[1]) < record.order.index(lab.stored[0])
    assert f"task {lab.stored[0]}" in record.message


def test_a_deleted_project_is_told_and_leaves_no_images(lab: Lab) -> None:
    """Its models and its record stay."""
    publish_version(lab.settings.model_dir, lab.project)
    lab.round()
    cache = open_context(lab.project).image_cache
    assert any(cache.iterdir())
    lab.http.delete(f"/api/projects/{lab.project}").raise_for_status()
    entry_points.look(lab.project)
    assert not cache.exists()
    assert lab.project not in pending_work.projects(open_context(lab.project).redis)
    assert any(f"has no project {lab.project}" in text for text in read_status(lab.project)["warnings"])
    assert read_status(lab.project)["version"]["name"] == "v1"
