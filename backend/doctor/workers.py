"""The programs behind the web server, by their heartbeats in Redis."""

from __future__ import annotations

from backend.doctor.redis_server import open_redis
from backend.finding import Finding, Severity
from backend.queue.heartbeats import DUTIES, SCHEDULER, WORKER, alive
from backend.settings import Settings


def check(settings: Settings) -> list[Finding]:
    """Workers of both queues, and a scheduler, on whatever machines."""
    found = alive(open_redis(settings))
    findings = []
    for queue, does in DUTIES.items():
        workers = found.workers_of(queue)
        if workers:
            hosts = {worker.host for worker in workers}
            where = f" on {len(hosts)} machines" if len(hosts) > 1 else ""
            findings.append(Finding("workers", Severity.OK, f"{len(workers)} for {does}{where}"))
        else:
            findings.append(Finding("workers", Severity.ERROR, f"none for {does} is alive", WORKER))
    if found.schedulers:
        findings.append(Finding("scheduler", Severity.OK, "alive"))
    else:
        text = "none is alive: labels start no training, and projects are not synced"
        findings.append(Finding("scheduler", Severity.ERROR, text, SCHEDULER))
    return findings
