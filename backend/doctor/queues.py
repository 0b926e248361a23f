"""The queues: how much waits, whether something waits in vain, and jobs that a killed worker left."""

from __future__ import annotations

from datetime import UTC, datetime

from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry

from backend.doctor.redis_server import open_redis
from backend.finding import Finding, Severity
from backend.queue.connection import COMPUTE, CONTROL, named
from backend.queue.heartbeats import WORKER, alive
from backend.settings import Settings

LONGEST_WAIT = {CONTROL: 300.0, COMPUTE: 3600.0}
"""Seconds that a job may wait: short ones for a drawing sync or a rollback, the others for a training."""

BUSY = {
    CONTROL: "no setting: each machine has two workers for it. They wait for a slow Label Studio, or draw"
    " many masks: python -m backend status",
    COMPUTE: "export more WORKERS, and start `python -m backend up` again",
}
"""What to do where the workers of a queue are alive and all of them have work."""


def check(settings: Settings) -> list[Finding]:
    """One finding a queue."""
    redis = open_redis(settings)
    found = alive(redis)
    return [
        _queue(named(name, redis), sum(worker.busy for worker in found.workers_of(name)))
        for name in (CONTROL, COMPUTE)
    ]


def _queue(queue: Queue, busy: int) -> Finding:
    subject, command = f"queue {queue.name}", WORKER
    running, failed = StartedJobRegistry(queue=queue), FailedJobRegistry(queue=queue)
    text = (
        f"{queue.count} waiting, {running.get_job_count(cleanup=False)} running,"
        f" {failed.get_job_count(cleanup=False)} failed this week"
    )
    waited = _waited(queue)
    if waited > LONGEST_WAIT[queue.name]:
        text += f"; the oldest has waited for {waited / 60:.0f} minutes"
        return Finding(subject, Severity.WARNING, text, BUSY[queue.name] if busy else command)
    left = running.get_expired_job_ids()
    if left:
        text += f"; {len(left)} of a killed worker, which others take up within a minute or two"
        return Finding(subject, Severity.WARNING, text, command)
    return Finding(subject, Severity.OK, text)


def _waited(queue: Queue) -> float:
    """Seconds since the job that waits longest was enqueued; those put at the front came later."""
    jobs = Job.fetch_many(queue.get_job_ids(), connection=queue.connection)
    since = [job.enqueued_at for job in jobs if job is not None and job.enqueued_at is not None]
    if not since:
        return 0.0
    first = min(moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in since)
    return (datetime.now(UTC) - first).total_seconds()
