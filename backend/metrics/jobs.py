"""Jobs, queues and workers as Redis holds them at a scrape."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from redis import Redis
from rq.registry import DeferredJobRegistry, FailedJobRegistry, StartedJobRegistry
from rq.utils import utcparse

from backend.metrics import PREFIX
from backend.queue import job_statistics, project_jobs
from backend.queue.connection import COMPUTE, CONTROL, as_text, named
from backend.queue.heartbeats import Alive, alive
from backend.queue.pending_work import Work

QUEUES = (CONTROL, COMPUTE)
KINDS = (
    Work.TRAINING,
    Work.FIRST_ORDER,
    Work.LIVE,
    project_jobs.START,
    project_jobs.UNIT,
    project_jobs.FINISH,
    project_jobs.ROLLBACK,
    Work.SYNC,
    Work.CONFIGURE,
)
OTHER = "other"
"""Jobs of the schedule itself."""
MOST_IDS = 10_000
"""Ids of a queue or registry that are read at a scrape; a queue's length is told whatever it is."""
MOST_PEEKED = 100
"""The oldest job is looked for among so many at the head of a queue:
only trainings are put before those that came earlier."""

_ID = re.compile(rf"({'|'.join(KINDS)})-(\d+)-")


def kind_and_project(job_id: str) -> tuple[str, int | None]:
    """What a job's id tells (see backend.queue.enqueue), without fetching the job."""
    match = _ID.match(job_id)
    return (match[1], int(match[2])) if match else (OTHER, None)


def job_metrics(redis: Redis) -> Iterator[Metric]:
    """Everything about jobs, in four round trips. Raises RedisError."""
    now = time.time()
    states = {"running": StartedJobRegistry, "deferred": DeferredJobRegistry, "failed": FailedJobRegistry}
    with redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(job_statistics.KEY)
        for name in QUEUES:
            waiting = named(name, redis)
            pipe.llen(waiting.key)
            pipe.lrange(waiting.key, 0, MOST_IDS - 1)
            for registry in states.values():
                # What has expired is removed only when a worker tidies up;
                # a running job's entry expires unless its worker renews it.
                least = "-inf" if registry is DeferredJobRegistry else now
                pipe.zrangebyscore(registry(queue=waiting).key, least, "+inf", start=0, num=MOST_IDS)
        counted, *found = pipe.execute()
    width = len(found) // len(QUEUES)
    parts = {name: found[number * width : (number + 1) * width] for number, name in enumerate(QUEUES)}
    jobs = {state: [_ids(part[2 + number]) for part in parts.values()] for number, state in enumerate(states)}
    jobs["queued"] = [_ids(part[1]) for part in parts.values()]
    yield from _jobs({state: [job for ids in lists for job in ids] for state, lists in jobs.items()})
    yield from _queues(redis, {name: (part[0], _ids(part[1])) for name, part in parts.items()}, now)
    yield from _programs(alive(redis))
    yield _durations(counted)


def _jobs(found: dict[str, list[str]]) -> Iterator[Metric]:
    jobs = GaugeMetricFamily(f"{PREFIX}_jobs", "Jobs by kind and state.", labels=["kind", "state"])
    failed = GaugeMetricFamily(
        f"{PREFIX}_project_failed_jobs", "Jobs that failed in the last 7 days.", labels=["project"]
    )
    for state, ids in found.items():
        count = Counter(kind_and_project(job)[0] for job in ids)
        for kind in (*KINDS, OTHER):
            jobs.add_metric([kind, state], count[kind])
    for project, number in sorted(Counter(kind_and_project(job)[1] or 0 for job in found["failed"]).items()):
        if project:
            failed.add_metric([str(project)], number)
    yield jobs
    yield failed


def _queues(redis: Redis, found: dict[str, tuple[int, list[str]]], now: float) -> Iterator[Metric]:
    lengths = GaugeMetricFamily(f"{PREFIX}_queue_jobs", "Jobs that wait for a worker.", labels=["queue"])
    ages = GaugeMetricFamily(
        f"{PREFIX}_queue_oldest_job_age_seconds", "Time the longest waiting job has waited.", labels=["queue"]
    )
    with redis.pipeline(transaction=False) as pipe:
        for _, ids in found.values():
            for job in ids[:MOST_PEEKED]:
                pipe.hget(f"rq:job:{job}", "enqueued_at")
        answers = iter(pipe.execute())
    for name, (length, ids) in found.items():
        since = [utcparse(as_text(when)).timestamp() for _ in ids[:MOST_PEEKED] if (when := next(answers))]
        lengths.add_metric([name], length)
        ages.add_metric([name], max((now - when for when in since), default=0.0))
    yield from (lengths, ages)


def _programs(found: Alive) -> Iterator[Metric]:
    workers = GaugeMetricFamily(f"{PREFIX}_workers", "Workers that are alive.", labels=["queue", "state"])
    for name in QUEUES:
        states = Counter("busy" if worker.busy else "idle" for worker in found.workers_of(name))
        for state in ("busy", "idle"):
            workers.add_metric([name, state], states[state])
    yield workers
    yield GaugeMetricFamily(
        f"{PREFIX}_schedulers", "Scheduler processes that are alive.", value=len(found.schedulers)
    )


def _durations(counted: dict[bytes, bytes]) -> Metric:
    family = HistogramMetricFamily(
        f"{PREFIX}_job_duration_seconds",
        "Runs of jobs by how they ended, each try of its own.",
        labels=["kind", "outcome"],
    )
    for entry in job_statistics.durations(counted):
        family.add_metric([entry.kind, entry.outcome], entry.cumulative(), entry.seconds)
    return family


def _ids(members: Sequence[bytes]) -> list[str]:
    """Job ids; those of running jobs have the number of the run behind them."""
    return [as_text(member).partition(":")[0] for member in members]
