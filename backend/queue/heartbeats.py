"""The signs of life that workers and schedulers leave in Redis, on whatever machine;
two round trips, as pages ask every second."""

from __future__ import annotations

import time
from dataclasses import dataclass

from redis import Redis
from rq.cron_scheduler_registry import get_registry_key
from rq.utils import utcparse
from rq.worker_registration import REDIS_WORKER_KEYS

from backend.queue.connection import COMPUTE, CONTROL, as_text

SILENT_SECONDS = 150
"""Workers and the scheduler give a sign of life at least every 60 s."""
DUTIES = {COMPUTE: "trainings and rounds", CONTROL: "syncs with Label Studio, rollbacks and other short jobs"}
"""What the workers of each queue do, in words."""
WORKER, SCHEDULER = "python -m backend worker", "python -m backend scheduler"
"""The commands that start them."""


@dataclass(frozen=True)
class Program:
    """A worker or scheduler that is alive."""

    host: str
    queues: tuple[str, ...] = ()  # of a worker
    busy: bool = False


@dataclass(frozen=True)
class Alive:
    """All programs that gave a sign of life of late."""

    workers: tuple[Program, ...]
    schedulers: tuple[Program, ...]

    def workers_of(self, queue: str) -> list[Program]:
        """Those that take jobs from a queue."""
        return [worker for worker in self.workers if queue in worker.queues]

    def missing(self) -> list[str]:
        """What is not done because nobody is there to do it, each with the command that fixes it."""
        found = [
            f"No worker for {does} is alive: these wait until one is started: {WORKER}"
            for queue, does in DUTIES.items()
            if not self.workers_of(queue)
        ]
        if not self.schedulers:
            found.append(
                "No scheduler is alive: labels start no training, and projects are not synced. Start it:"
                f" {SCHEDULER}"
            )
        return found


def alive(redis: Redis) -> Alive:
    """Who gave a sign of life in the last SILENT_SECONDS. Raises RedisError."""
    since = time.time() - SILENT_SECONDS
    with redis.pipeline(transaction=False) as pipe:
        pipe.smembers(REDIS_WORKER_KEYS)
        pipe.zrangebyscore(get_registry_key(), since, "+inf")
        workers, schedulers = ([as_text(each) for each in found] for found in pipe.execute())
    with redis.pipeline(transaction=False) as pipe:
        for key in workers:
            pipe.hmget(key, "hostname", "queues", "state", "last_heartbeat")
        for name in schedulers:
            pipe.hmget(f"rq:cron_scheduler:{name}", "hostname")
        answers = [[as_text(value or b"") for value in answer] for answer in pipe.execute()]
    told = answers[: len(workers)]
    return Alive(
        tuple(
            Program(host, tuple(queues.split(",")), state == "busy")
            for host, queues, state, seen in told
            if seen and _seconds(seen) > since
        ),
        tuple(Program(host) for (host,) in answers[len(workers) :]),
    )


def _seconds(heartbeat: str) -> float:
    return utcparse(heartbeat).timestamp()
