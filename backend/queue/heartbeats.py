"""The signs of life that workers and schedulers leave in Redis, on whatever machine;
two round trips, as pages ask every second."""

from __future__ import annotations

import time
from collections.abc import Callable
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
AHEAD = "seconds_ahead"
"""Field of a worker's entry."""
CLOCK_TOLD = 5.0
"""Seconds between the clock of a machine and that of Redis, from which it is told ..."""
CLOCK_MOST = 20.0
"""... and from which its workers take no jobs: others would take these for jobs of a killed worker."""
SET_CLOCK = "timedatectl set-ntp true"
"""The command that keeps a machine's clock right."""


@dataclass(frozen=True)
class Program:
    """A worker or scheduler that is alive."""

    host: str
    queues: tuple[str, ...] = ()  # of a worker
    busy: bool = False
    seconds_ahead: float = 0.0  # its clock, of that of Redis; negative: behind


@dataclass(frozen=True)
class Alive:
    """All programs that gave a sign of life of late."""

    workers: tuple[Program, ...]
    schedulers: tuple[Program, ...]

    def workers_of(self, queue: str) -> list[Program]:
        """Those that take jobs from a queue."""
        return [worker for worker in self.workers if queue in worker.queues]

    def wrong_clocks(self, least: float = CLOCK_MOST) -> dict[str, str]:
        """What is wrong with the clocks of machines with workers that are `least` seconds off, by host."""
        found = {worker.host: worker.seconds_ahead for worker in self.workers}
        return {host: describe_clock(host, ahead) for host, ahead in found.items() if abs(ahead) > least}

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


def seconds_ahead(redis: Redis, clock: Callable[[], float] = time.time) -> float:
    """How many seconds this machine's clock is ahead of that of Redis at least; negative: behind.
    Raises RedisError."""
    before = clock()
    seconds, micros = redis.time()
    told, after = seconds + micros / 1e6, clock()
    return max(0.0, before - told) + min(0.0, after - told)


def describe_clock(host: str, ahead: float) -> str:
    """What is wrong with a machine's clock, and what to do about it."""
    text = (
        f"The clock of {host} is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} that of Redis,"
        f" expected at most {CLOCK_TOLD:.0f} s"
    )
    stopped = "; its workers take no jobs" if abs(ahead) > CLOCK_MOST else ""
    return f"{text}{stopped}. Have NTP keep the clocks of both machines right."


def alive(redis: Redis) -> Alive:
    """Who gave a sign of life in the last SILENT_SECONDS. Raises RedisError."""
    since = time.time() - SILENT_SECONDS
    with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.smembers(REDIS_WORKER_KEYS)
        pipe.zrangebyscore(get_registry_key(), since, "+inf")
        (now, _), *found = pipe.execute()
    workers, schedulers = ([as_text(each) for each in names] for names in found)
    with redis.pipeline(transaction=False) as pipe:
        for key in workers:
            pipe.hmget(key, "hostname", "queues", "state", "last_heartbeat", AHEAD)
        for name in schedulers:
            pipe.hmget(f"rq:cron_scheduler:{name}", "hostname")
        answers = [[as_text(value or b"") for value in answer] for answer in pipe.execute()]
    told = answers[: len(workers)]
    return Alive(
        tuple(
            Program(host, tuple(queues.split(",")), state == "busy", float(ahead or 0))
            for host, queues, state, seen, ahead in told
            # Each tells the time of its own clock; an earlier release does not say how far that is off.
            if seen and _seconds(seen) - float(ahead or 0) > now - SILENT_SECONDS
        ),
        tuple(Program(host) for (host,) in answers[len(workers) :]),
    )


def _seconds(heartbeat: str) -> float:
    return utcparse(heartbeat).timestamp()
