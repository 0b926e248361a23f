"""Jobs, queues and workers as Redis holds them at a scrape."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from redis import Redis
from rq.cron_scheduler_registry import get_registry_key
from rq.registry import DeferredJobRegistry, FailedJobRegistry, StartedJobRegistry
from rq.utils import utcparse
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from backend.jobs import queue, tally
from backend.jobs.connection import COMPUTE, CONTROL, as_text, named
from backend.jobs.events import Work
from backend.metrics import PREFIX

QUEUES = (CONTROL, COMPUTE)
KINDS = (Work.TRAINING, queue.START, queue.UNIT, queue.FINISH, queue.ROLLBACK, Work.LOOK, Work.CONFIGURE)
OTHER = "other"
"""Jobs of the schedule itself."""
MOST_IDS = 10_000
"""Ids of a queue or registry that are read at a scrape; a queue's length is told whatever it is."""
MOST_PEEKED = 100
"""The oldest job is looked for among so many at the head of a queue: only trainings are put before those that came earlier."""
WORKER_SECONDS = 90.0
"""A worker tells every 30 s that it is alive."""
SCHEDULER_SECONDS = 150.0
"""The schedule tells it at least each minute."""

_ID = re.compile(rf"({'|'.join(KINDS)})-(\d+)-")


def kind_and_project(job_id: str) -> tuple[str, int | None]:
    """What a job's id tells (see backend.jobs.queue), without fetching the job."""
    match = _ID.match(job_id)
    return (match[1], int(match[2])) if match else (OTHER, None)


def job_metrics(redis: Redis) -> Iterator[Metric]:
    """Everything about jobs, in two round trips. Raises RedisError."""
    now = time.time()
    states = {"running": StartedJobRegistry, "deferred": DeferredJobRegistry, "failed": FailedJobRegistry}
    with redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(tally.KEY)
        pipe.zcount(get_registry_key(), now - SCHEDULER_SECONDS, "+inf")
        for name in QUEUES:
            waiting = named(name, redis)
            pipe.llen(waiting.key)
            pipe.lrange(waiting.key, 0, MOST_IDS - 1)
            pipe.smembers(WORKERS_BY_QUEUE_KEY % name)
            for registry in states.values():
                # What has expired is removed only when a worker tidies up; a running job's entry expires unless its worker renews it.
                least = "-inf" if registry is DeferredJobRegistry else now
                pipe.zrangebyscore(registry(queue=waiting).key, least, "+inf", start=0, num=MOST_IDS)
        counted, schedulers, *found = pipe.execute()
    width = len(found) // len(QUEUES)
    parts = {name: found[number * width : (number + 1) * width] for number, name in enumerate(QUEUES)}
    jobs = {state: [_ids(part[3 + number]) for part in parts.values()] for number, state in enumerate(states)}
    jobs["queued"] = [_ids(part[1]) for part in parts.values()]
    yield from _jobs({state: [job for ids in lists for job in ids] for state, lists in jobs.items()})
    yield from _queues_and_workers(redis, {name: (part[0], _ids(part[1]), sorted(part[2])) for name, part in parts.items()}, now)
    yield GaugeMetricFamily(f"{PREFIX}_schedulers", "Scheduler processes that are alive.", value=schedulers)
    yield _durations(counted)


def _jobs(found: dict[str, list[str]]) -> Iterator[Metric]:
    jobs = GaugeMetricFamily(f"{PREFIX}_jobs", "Jobs by kind and state.", labels=["kind", "state"])
    failed = GaugeMetricFamily(f"{PREFIX}_project_failed_jobs", "Jobs that failed in the last 7 days.", labels=["project"])
    for state, ids in found.items():
        count = Counter(kind_and_project(job)[0] for job in ids)
        for kind in (*KINDS, OTHER):
            jobs.add_metric([kind, state], count[kind])
    for project, number in sorted(Counter(kind_and_project(job)[1] or 0 for job in found["failed"]).items()):
        if project:
            failed.add_metric([str(project)], number)
    yield jobs
    yield failed


def _queues_and_workers(redis: Redis, found: dict[str, tuple[int, list[str], list[bytes]]], now: float) -> Iterator[Metric]:
    lengths = GaugeMetricFamily(f"{PREFIX}_queue_jobs", "Jobs that wait for a worker.", labels=["queue"])
    ages = GaugeMetricFamily(f"{PREFIX}_queue_oldest_job_age_seconds", "Time the longest waiting job has waited.", labels=["queue"])
    workers = GaugeMetricFamily(f"{PREFIX}_workers", "Workers that are alive.", labels=["queue", "state"])
    with redis.pipeline(transaction=False) as pipe:
        for _, ids, keys in found.values():
            for job in ids[:MOST_PEEKED]:
                pipe.hget(f"rq:job:{job}", "enqueued_at")
            for key in keys:
                pipe.hmget(as_text(key), "state", "last_heartbeat")
        answers = iter(pipe.execute())
    for name, (length, ids, keys) in found.items():
        since = [_seconds(next(answers)) for _ in ids[:MOST_PEEKED]]
        lengths.add_metric([name], length)
        ages.add_metric([name], max((now - when for when in since if when is not None), default=0.0))
        states: Counter[str] = Counter()
        for state, heartbeat in (next(answers) for _ in keys):
            seen = _seconds(heartbeat)
            if seen is not None and now - seen < WORKER_SECONDS:
                states["busy" if state == b"busy" else "idle"] += 1
        for state in ("busy", "idle"):
            workers.add_metric([name, state], states[state])
    yield from (lengths, ages, workers)


def _durations(counted: dict[bytes, bytes]) -> Metric:
    family = HistogramMetricFamily(
        f"{PREFIX}_job_duration_seconds", "Runs of jobs by how they ended, each try of its own.", labels=["kind", "outcome"]
    )
    for entry in tally.durations(counted):
        family.add_metric([entry.kind, entry.outcome], entry.cumulative(), entry.seconds)
    return family


def _ids(members: Sequence[bytes]) -> list[str]:
    """Job ids; those of running jobs have the number of the run behind them."""
    return [as_text(member).partition(":")[0] for member in members]


def _seconds(when: bytes | None) -> float | None:
    return utcparse(as_text(when)).timestamp() if when else None
