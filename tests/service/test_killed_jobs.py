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
from backend.queue import enqueue, pending_work, project_jobs
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
    meta = {"project": 1, "kind": "training"}
    retry = Retry(max=retries) if retries else None
    job = named(COMPUTE, redis).enqueue_call("os.getcwd", job_id="training-1-x", meta=meta, retry=retry)
    abandon(redis, job.id)
    due_work.tick()
    failed = not retries
    assert pending_work.pending(redis, 1, Work.TRAINING).failures == int(failed)
    assert ("training" in last_errors(redis, 1)) == failed


@pytest.mark.usefixtures("settings")
def test_a_round_whose_last_networks_die_together_comes_to_its_end(redis: Redis) -> None:
    """A machine with two workers is switched off, three times: rq takes each of the two for one that runs."""
    end = enqueue.enqueue_units(redis, 1, "v1.r1", ["one", "two"])
    units = named(COMPUTE, redis).job_ids
    assert len(units) == 2
    for _ in range(enqueue.RETRIES + 1):
        assert project_jobs.waiting(redis, 1) == [FINISH]
        assert named(COMPUTE, redis).job_ids == units
        for unit in units:
            abandon(redis, unit)
        due_work.tick()
    assert named(COMPUTE, redis).job_ids == [end]
    due_work.tick()
    assert named(COMPUTE, redis).job_ids == [end], "once"


@pytest.mark.usefixtures("settings")
def test_what_waits_for_a_job_that_runs_goes_on_waiting(redis: Redis) -> None:
    """One of the two has died, the other is alive."""
    enqueue.enqueue_units(redis, 1, "v1.r1", ["one", "two"])
    dead, alive = named(COMPUTE, redis).job_ids
    Job.fetch(dead, connection=redis).set_status(JobStatus.FAILED)
    due_work.tick()
    assert project_jobs.waiting(redis, 1) == [FINISH]
    assert named(COMPUTE, redis).job_ids == [dead, alive]


def abandon(redis: Redis, job_id: str) -> None:
    """Have a job that waits run by a worker that has given no sign of life for too long."""
    queue = named(COMPUTE, redis)
    job = Job.fetch(job_id, connection=redis)
    queue.remove(job)
    job.set_status(JobStatus.STARTED)
    redis.zadd(StartedJobRegistry(queue=queue).key, {f"{job_id}:1": time.time() - 1})
