"""The programs behind the web server, by their heartbeats in Redis."""

from __future__ import annotations

from rq import Worker
from rq.cron import CronScheduler

from backend.doctor.redis_server import open_redis
from backend.health import recent
from backend.jobs.connection import COMPUTE, CONTROL
from backend.labelstudio.connect import Finding, Severity
from backend.settings import Settings


def check(settings: Settings) -> list[Finding]:
    """Workers of both queues, and a scheduler, on whatever machines."""
    redis = open_redis(settings)
    found = Worker.all(connection=redis)
    alive = [worker for worker in found if recent(worker.last_heartbeat)]
    findings = []
    for queue, does in ((COMPUTE, "trainings and rounds"), (CONTROL, "looks at projects, rollbacks and other short jobs")):
        count = sum(queue in worker.queue_names() for worker in alive)
        if count:
            hosts = {str(worker.hostname) for worker in alive if queue in worker.queue_names()}
            where = f" on {len(hosts)} machines" if len(hosts) > 1 else ""
            findings.append(Finding("workers", Severity.OK, f"{count} for {does}{where}"))
        else:
            findings.append(Finding("workers", Severity.ERROR, f"none for {does} is alive", "python -m backend worker"))
    schedulers = [cron for cron in CronScheduler.all(redis, cleanup=False) if recent(cron.last_heartbeat)]
    if schedulers:
        findings.append(Finding("scheduler", Severity.OK, "alive"))
    else:
        text = "none is alive: labels start no training, and projects are not looked at"
        findings.append(Finding("scheduler", Severity.ERROR, text, "python -m backend scheduler"))
    return findings
