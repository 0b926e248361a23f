"""Cancel works at any moment, also while a job waits for a server that gives nothing;
and no project holds up the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry

from backend.demo.server import LabelStudioServer
from backend.jobs import due_work
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import from_mask
from backend.queue import enqueue, pending_work, project_jobs
from backend.queue.connection import CONTROL, Keys, as_text, named
from backend.queue.pending_work import Work
from backend.run.redis_server import EmbeddedRedis
from backend.run.worker import create_worker
from backend.settings import Settings
from tests.faulty_proxy import FaultyProxy, Kind, faulty_proxy
from tests.service.burst import work_off
from tests.service.conftest import TINY, picture, use_settings
from tests.waiting import eventually


@dataclass
class Lab:
    """A project whose Label Studio is reached through a proxy."""

    project: int
    proxy: FaultyProxy
    http: httpx.Client
    settings: Settings
    redis: Redis

    @property
    def version_on_show(self) -> str:
        return str(self.http.get(f"/api/projects/{self.project}").raise_for_status().json()["model_version"])

    def work_until(self, path: str, then: threading.Thread, after: int = 0) -> None:
        """Do all jobs here; as soon as one has asked for `path`, which has a fault, `then` starts;
        the first `after` requests for it do not count."""

        def wait() -> None:
            assert eventually(lambda: self.proxy.count(path) > after, 100)
            then.start()

        watcher = threading.Thread(target=wait)
        watcher.start()
        work_off()
        watcher.join()
        then.join()


@pytest.fixture
def lab(
    redis: Redis,
    redis_server: EmbeddedRedis,
    label_studio: LabelStudioServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Lab]:
    headers = {"Authorization": f"Token {label_studio.token}"}
    with (
        httpx.Client(base_url=label_studio.url, headers=headers, timeout=60) as http,
        faulty_proxy(label_studio.url) as proxy,
    ):
        settings = use_settings(
            monkeypatch,
            redis_url=redis_server.address,
            model_dir=tmp_path,
            recipe=TINY,
            label_studio_url=proxy.url,
            label_studio_api_key=label_studio.token,
            project_defaults={"similarity": "unet", "candidates": 1, "budget": 1, "folds": 0},
        )
        body = {
            "title": "Stopped",
            "label_config": EXAMPLE,
            "maximum_annotations": 1,
            "sampling": "Uncertainty sampling",
        }
        project = int(http.post("/api/projects", json=body).raise_for_status().json()["id"])
        for number in range(5):
            upload = {"file": ("cell.png", picture(number)[0], "image/png")}
            http.post(f"/api/projects/{project}/import", files=upload).raise_for_status()
        found = (
            http.get("/api/tasks", params={"project": project, "fields": "all"})
            .raise_for_status()
            .json()["tasks"]
        )
        for number, task in enumerate(sorted(int(task["id"]) for task in found)[:3]):
            regions = from_mask(picture(number)[1], parse(EXAMPLE))
            http.post(f"/api/tasks/{task}/annotations/", json={"result": regions}).raise_for_status()
        pending_work.register(redis, project)
        yield Lab(project, proxy, http, settings, redis)


def result(lab: Lab, job: str) -> dict[str, Any]:
    """What a job returned."""
    found = Job.fetch(job, connection=lab.redis).return_value()
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("kind", "path", "job_kind"),
    [
        (Kind.DRIP, "/data/upload/", project_jobs.START),
        (Kind.DRIPPING_HEADERS, "/data/upload/", project_jobs.START),
        (Kind.SILENCE, "fields=all", project_jobs.START),
        (Kind.SILENCE, "import/predictions", project_jobs.FINISH),
    ],
    ids=[
        "an image drips",
        "its headers drip",
        "labels do not come",
        "the order is not taken",
    ],
)
def test_cancel_ends_a_round_wherever_it_waits(lab: Lab, kind: Kind, path: str, job_kind: str) -> None:
    """Each of these waits would last for minutes or hours;
    the proxy goes on with it until the round has ended."""
    lab.proxy.add(kind, path)
    enqueue.enqueue_round(lab.project, "test")
    lab.work_until(path, threading.Thread(target=project_jobs.cancel, args=(lab.project,)))
    job = as_text(lab.redis.hget(Keys(lab.project).jobs, job_kind) or "")
    assert "was cancelled" in result(lab, job)["stopped"]
    assert not lab.version_on_show
    assert not project_jobs.active(lab.redis, lab.project, Work.ROUND)
    assert lab.proxy.faults


def test_short_jobs_of_one_project_take_one_worker(redis: Redis, settings: Settings) -> None:
    """However long each waits for a server that drips, other workers are there for other projects;
    the next one comes however the one before has ended."""
    for project in (1, 2):
        pending_work.register(redis, project)
        for work in (Work.SYNC, Work.CONFIGURE, Work.FIRST_ORDER):
            pending_work.request(redis, project, work)
            redis.hset(Keys(project).events, f"{work}:since", "0")  # settled
    control = named(CONTROL, redis)
    endings: list[Callable[[Job], object]] = [
        lambda job: job.cancel(),
        lambda job: job.delete(),
        lambda job: job.set_status(JobStatus.FAILED),
    ]
    for end in endings:
        started = [Job.fetch(job, connection=redis) for job in due_work.dispatch(redis, settings)]
        assert {job.meta["project"] for job in started} == {1, 2}
        assert due_work.dispatch(redis, settings) == []
        for job in started:
            redis.hset(Keys(job.meta["project"]).events, f"{job.meta['kind']}:done", "1")
            end(job)
            control.remove(job)
    assert due_work.dispatch(redis, settings) == []


def test_the_worker_of_a_short_job_is_killed(redis: Redis, settings: Settings) -> None:
    """It runs again, and is done before others of its project begin."""
    pending_work.register(redis, 1)
    for work in (Work.SYNC, Work.CONFIGURE):
        pending_work.request(redis, 1, work)
        redis.hset(Keys(1).events, f"{work}:since", "0")
    (first,) = due_work.dispatch(redis, settings)
    worker, control = create_worker(settings, [CONTROL]), named(CONTROL, redis)
    job = Job.fetch(first, connection=redis)
    assert control.pop_job_id() == first
    worker.prepare_execution(job)
    worker.prepare_job_execution(job)
    assert due_work.dispatch(redis, settings) == []
    StartedJobRegistry(queue=control).cleanup(time.time() + 3600)  # no sign of life came
    assert control.job_ids == [first]
    assert due_work.dispatch(redis, settings) == []


def test_cancel_ends_short_jobs_as_well(lab: Lab) -> None:
    """Each ends where it is, though Label Studio keeps it waiting; nothing else is held by that."""
    pending_work.request(lab.redis, lab.project, Work.SYNC)
    pending_work.request(lab.redis, lab.project, Work.CONFIGURE)
    jobs: list[tuple[str, str, Callable[[int], str]]] = [
        ("sync", "query=", enqueue.enqueue_sync),
        ("unskip", "query=", enqueue.enqueue_unskip),
        ("configure", "api/ml", enqueue.enqueue_configure),
    ]
    for kind, path, start in jobs:
        before = lab.proxy.count(path)
        lab.proxy.add(Kind.SILENCE, path, times=1)
        job = start(lab.project)
        cancel = threading.Thread(target=project_jobs.cancel, args=(lab.project,))
        lab.work_until(path, cancel, after=before)
        assert f"{kind} was cancelled" in result(lab, job)["stopped"]
        assert not project_jobs.short_job_alive(lab.redis, lab.project)
        assert not lab.redis.hexists(Keys(lab.project).info, "held")
    assert not pending_work.pending(lab.redis, lab.project, Work.SYNC).outstanding
