"""The jobs of a project: their kinds, which of them wait or run, and how they are cancelled."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from redis import Redis
from rq import Queue
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus

from backend.queue import pending_work, round_request
from backend.queue.connection import KEPT_SECONDS, Keys, as_text, connection
from backend.queue.pending_work import Work

START = "round"
"""Kind of the job that starts a round; its units and its end are jobs of their own."""
FINISH = "finish"
UNIT = "row"
ROLLBACK = "rollback"
UNSKIP = "unskip"
EXPORT = "export"
CANCELLED = (
    "Cancelled by a person at {time}. Model and order stay as they are until the next label, or until you"
    " compute a new order."
)

SHORT = (Work.LIVE, Work.SYNC, Work.CONFIGURE, Work.FIRST_ORDER, ROLLBACK, UNSKIP)
"""Kinds of the jobs on the queue CONTROL."""
WAITING = (
    JobStatus.CREATED,
    JobStatus.QUEUED,
    JobStatus.DEFERRED,
    JobStatus.READY_TO_ENQUEUE,  # for a moment, after the last job that it waited for
    JobStatus.SCHEDULED,
    JobStatus.RATE_LIMITED,
)
ALIVE = (JobStatus.STARTED, *WAITING)


def find(redis: Redis, project_id: int, kind: str, states: tuple[JobStatus, ...]) -> Job | None:
    """The last job of a kind if it is in one of the states."""
    job = fetch(redis, as_text(redis.hget(Keys(project_id).jobs, str(kind)) or ""))
    return job if job is not None and job.get_status() in states else None


def all_jobs(redis: Redis, project_id: int) -> list[Job]:
    """All jobs of a project that Redis still knows, newest first."""
    ids = [as_text(member) for member in redis.zrevrange(f"{Keys(project_id).jobs}:all", 0, 999)]
    return [job for job in Job.fetch_many(ids, connection=redis) if job is not None]


def fetch(redis: Redis, job_id: str) -> Job | None:
    """The job of an id, None when it is not kept any more."""
    try:
        return Job.fetch(job_id, connection=redis) if job_id else None
    except (NoSuchJobError, ValueError):  # ValueError: no id that rq could have given
        return None


def lock(redis: Redis, project_id: int) -> Any:
    """One process at a time looks whether there is a job and makes one."""
    return redis.lock(f"{Keys(project_id).jobs}:lock", timeout=20, blocking_timeout=20, sleep=0.02)


def training_id(job_id: str) -> str:
    """The id under which a round's own training is known."""
    return f"{job_id}-training"


def active(redis: Redis, project_id: int, work: Work) -> bool:
    """Whether a job of this work waits or runs."""
    if work is Work.ROUND:  # one at a time writes an order
        others = (ROLLBACK, Work.FIRST_ORDER, Work.LIVE)
        return round_alive(redis, project_id) or any(find(redis, project_id, kind, ALIVE) for kind in others)
    if work is Work.TRAINING and redis.exists(Keys(project_id).fence("training")):
        return True  # a round trains
    return find(redis, project_id, work, ALIVE) is not None


def runs(redis: Redis, project_id: int, work: Work) -> bool:
    """Whether a job of this work runs at the moment."""
    return find(redis, project_id, work, (JobStatus.STARTED,)) is not None


def short_job_alive(redis: Redis, project_id: int) -> bool:
    """Whether a job of the project waits for or holds one of the few workers for short jobs."""
    return any(find(redis, project_id, kind, ALIVE) for kind in SHORT)


def round_alive(redis: Redis, project_id: int) -> bool:
    """Whether a round runs or waits, be it for its networks."""
    return any(find(redis, project_id, kind, ALIVE) for kind in (START, FINISH))


def round_computes(redis: Redis, project_id: int) -> bool:
    """Whether a round has begun to train its networks, and will write an order of its own."""
    return find(redis, project_id, FINISH, ALIVE) is not None


def enqueue_forgotten(queue: Queue) -> None:
    """Enqueue the jobs that wait for no other any more.

    rq does not, where it finds the last of those others dead at one time: to each it seems that another runs.
    """
    deferred = queue.deferred_job_registry
    for job in Job.fetch_many(deferred.get_job_ids(), connection=queue.connection):
        if job and job.get_status(refresh=False) is JobStatus.DEFERRED and job.dependencies_are_met():
            with suppress(InvalidJobOperation):  # it has just been enqueued
                deferred.requeue(job)


def waiting(redis: Redis, project_id: int) -> list[str]:
    """Kinds of the jobs that wait for a worker or for another job."""
    orders = (Work.FIRST_ORDER, Work.LIVE, START, FINISH)
    kinds = (Work.TRAINING, *orders, ROLLBACK, EXPORT, Work.SYNC, Work.CONFIGURE)
    return [kind for kind in kinds if find(redis, project_id, kind, WAITING)]


def cancel(project_id: int) -> list[str]:
    """Cancel everything that runs or waits for the project; returns the ids of the jobs.
    Models, labels and the order in force stay.

    Nothing starts again by itself until a label comes or somebody asks; the status says so.
    Syncs go on each minute, but one that runs ends.
    What was asked of the next round alone is forgotten.
    Labels that were waiting for the cancelled training are in the next one, whenever it is.
    """
    redis = connection()
    keys = Keys(project_id)
    with lock(redis, project_id):
        round_request.cancel(redis, project_id)
        cancellable = (Work.TRAINING, Work.ROUND, Work.FIRST_ORDER, Work.LIVE)
        due = [work for work in cancellable if pending_work.pending(redis, project_id, work).outstanding]
        for work in (*cancellable, Work.SYNC):
            pending_work.finish(redis, project_id, work, pending_work.standing(redis, project_id, work))
        names = [name for name in (as_text(redis.get(keys.wanted_round) or ""),) if name]
        jobs = [job for job in all_jobs(redis, project_id) if job.get_status() in ALIVE]
        ids = [job.id for job in jobs]
        if ids or names:
            redis.sadd(keys.cancelled, *ids, *map(training_id, ids), *names)
            redis.expire(keys.cancelled, KEPT_SECONDS)
        for job in jobs:
            if job.get_status() in WAITING:
                with suppress(InvalidJobOperation):  # it has ended meanwhile
                    job.cancel()
        upkeep = (Work.SYNC, Work.CONFIGURE, UNSKIP, EXPORT)
        if due or any(job.meta.get("kind") not in upkeep for job in jobs):
            pending_work.pause(
                redis, project_id, CANCELLED.format(time=time.strftime("%H:%M UTC", time.gmtime()))
            )
    return ids


def stop_sync(redis: Redis, project_id: int) -> None:
    """Have a sync that runs or waits end where it is: what people wait for needs its fence.
    It stays wanted."""
    if sync := find(redis, project_id, Work.SYNC, ALIVE):
        keys = Keys(project_id)
        redis.sadd(keys.cancelled, sync.id)
        redis.expire(keys.cancelled, KEPT_SECONDS)
        if sync.get_status() in WAITING:
            with suppress(InvalidJobOperation):  # it has just begun
                sync.cancel()
