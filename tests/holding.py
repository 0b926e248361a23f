"""Jobs that wait for a test: what is enqueued behind one stays where it is, however busy the machine is."""

from __future__ import annotations

import uuid

from redis import Redis
from rq import get_current_job

from backend.queue.connection import COMPUTE, named

SECONDS = 240
"""After which a job goes on by itself."""


def enqueue_hold(redis: Redis) -> str:
    """Enqueue a job on the queue for trainings and rounds that ends when it is released; returns its name."""
    name = f"hold-{uuid.uuid4().hex}"
    named(COMPUTE, redis).enqueue_call(
        "tests.holding.hold", args=(name,), job_id=name, timeout=2 * SECONDS, meta={"kind": "hold"}
    )
    return name


def release(redis: Redis, name: str) -> None:
    """Let it end, now or as soon as it begins."""
    redis.rpush(f"{name}:released", "")


def hold(name: str) -> None:
    """The job."""
    job = get_current_job()
    assert job is not None
    job.connection.blpop([f"{name}:released"], timeout=SECONDS)
