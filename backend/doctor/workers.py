"""The programs behind the web server, by their heartbeats in Redis."""

from __future__ import annotations

import socket
from dataclasses import replace

from backend.doctor.redis_server import open_redis
from backend.finding import Finding, Severity
from backend.queue.heartbeats import (
    CLOCK_TOLD,
    DUTIES,
    SCHEDULER,
    SET_CLOCK,
    WORKER,
    Alive,
    Program,
    alive,
    seconds_ahead,
)
from backend.settings import Settings


def check(settings: Settings) -> list[Finding]:
    """Workers of both queues, and a scheduler, on whatever machines."""
    redis = open_redis(settings)
    found = alive(redis)
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
    return findings + _clocks(found, seconds_ahead(redis))


def _clocks(found: Alive, ahead: float) -> list[Finding]:
    """Of the machines with workers, and of this one, which is so many seconds `ahead` of Redis."""
    here = Program(socket.gethostname(), seconds_ahead=ahead)
    machines = replace(found, workers=(*found.workers, here))
    far = machines.wrong_clocks()
    findings = [
        Finding("clock", Severity.ERROR if host in far else Severity.WARNING, text, SET_CLOCK)
        for host, text in machines.wrong_clocks(CLOCK_TOLD).items()
    ]
    return findings or [Finding("clock", Severity.OK, "that of each machine agrees with that of Redis")]
