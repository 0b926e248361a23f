"""Jobs whose process is killed, again and again: each time it is told, and the next one waits longer."""

from __future__ import annotations

import time

import pytest
from redis import Redis
from rq import Retry
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry

from backend.jobs import due_work
from backend.project.status import last_errors
from backend.queue import pending_work
from backend.queue.connection import COMPUTE, named
from backend.queue.pending_work import Work
from backend.queue.project_jobs import EXPORT, FINISH, ROLLBACK, UNIT
from backend.settings import Settings
from tests.service.burst import work_off


def enqueue_killed(redis: Redis, kind: str) -> None:
    """A job that ends its process at once, each time it is tried."""
    meta = {"project": 1, "kind": str(kind)}
    named(COMPUTE, redis).enqueue_call("os.abort", job_id=f"{kind}-1-x", meta=meta, retry=Retry(max=1))


def test_a_job_whose_process_is_killed_each_time_is_told_and_waits(redis: Redis, settings: Settings) -> None:
    """Memory runs out for it, say: it would begin again at once, and go on so for ever."""
    pending_work.register(redis, 1)
    for work in Work:
        pending_work.request(redis, 1, work)
    for kind in (*(set(Work) - {Work.ROUND}), FINISH, ROLLBACK, UNIT, EXPORT):
        enqueue_killed(redis, kind)
    work_off(COMPUTE)
    for work in Work:
        assert pending_work.pending(redis, 1, work).failures == 1, work
    errors = last_errors(redis, 1)
    assert set(errors) == {*Work, ROLLBACK}, "units and exports are told elsewhere"
    assert all("killed" in error.message for error in errors.values())
    assert errors[Work.ROUND].job == f"{FINISH}-1-x"
    assert due_work.dispatch(redis, settings) == []


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.usefixtures("settings")
def test_so_is_one_whose_worker_vanished_with_it(redis: Redis, retries: int) -> None:
    """Nothing is told while rq runs it again."""
    abandon(redis, "training-1-x", "training", retries)
    due_work.tick()
    failed = not retries
    assert pending_work.pending(redis, 1, Work.TRAINING).failures == int(failed)
    assert ("training" in last_errors(redis, 1)) == failed


def abandon(redis: Redis, job_id: str, kind: str, retries: int) -> None:
    """Have a job run by a worker that has given no sign of life for too long."""
    queue = named(COMPUTE, redis)
    retry = Retry(max=retries) if retries else None
    queue.enqueue_call("os.getcwd", job_id=job_id, meta={"project": 1, "kind": kind}, retry=retry)
    job = Job.fetch(job_id, connection=redis)
    queue.remove(job)
    job.set_status(JobStatus.STARTED)
    redis.zadd(StartedJobRegistry(queue=queue).key, {f"{job_id}:1": time.time() - 1})
