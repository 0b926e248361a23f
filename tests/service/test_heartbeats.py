"""The signs of life of workers, when Redis has forgotten them meanwhile."""

from __future__ import annotations

import pytest
from redis import Redis
from rq.worker_registration import REDIS_WORKER_KEYS, clean_worker_registry

from backend.queue.connection import COMPUTE, CONTROL, named
from backend.queue.heartbeats import alive
from backend.run.worker import create_worker
from backend.settings import Settings


@pytest.mark.parametrize("lost", ["expired", "expired and cleaned up", "Redis emptied"])
def test_worker_that_was_suspended_is_known_again(settings: Settings, redis: Redis, lost: str) -> None:
    """A laptop's lid was closed for minutes:
    the worker's entry has expired, and its next sign of life brings all of it back."""
    worker = create_worker(settings, [CONTROL, COMPUTE], redis)
    worker.register_birth()
    assert alive(redis).missing()[0].startswith("No scheduler")
    redis.delete(worker.key)
    if lost == "expired and cleaned up":
        clean_worker_registry(named(CONTROL, redis))
        assert not redis.sismember(REDIS_WORKER_KEYS, worker.key)
    elif lost == "Redis emptied":
        redis.flushall()
    assert any(text.startswith("No worker") for text in alive(redis).missing())
    worker.heartbeat()
    assert not any(text.startswith("No worker") for text in alive(redis).missing())
    with redis.pipeline() as pipe:
        redis.delete(worker.key)
        worker.heartbeat(30, pipe)  # as rq does while a job runs
        pipe.execute()
    assert [program.queues for program in alive(redis).workers] == [(CONTROL, COMPUTE)]
    worker.register_death()
