"""Whether one program of the service works, for the health checks of containers: `python -m backend.health web|worker|scheduler`.

It looks from inside the program's container, and ends with 0, or with 1 and one line that says what was found.
"""

from __future__ import annotations

import socket
import sys
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime

from redis.exceptions import RedisError

from backend.errors import BackendError
from backend.settings import Settings, read_settings

SILENT_SECONDS = 150
"""Workers and the scheduler give a sign of life at least every 60 s."""


def web(settings: Settings) -> str:
    """What is wrong with the web server of this machine; "" if nothing."""
    try:
        with urllib.request.urlopen(f"{settings.local_url}/health", timeout=5):
            return ""
    except OSError as error:
        return f"found no answer at {settings.local_url} ({error}), expected the web server"


def worker(settings: Settings) -> str:
    """What is wrong with the workers of this machine; "" if nothing."""
    from rq import Worker

    from backend.jobs.connection import connection

    workers = [found for found in Worker.all(connection(settings)) if found.hostname == socket.gethostname()]
    alive = sum(recent(found.last_heartbeat) for found in workers)
    expected = settings.workers + 1
    return "" if alive >= expected else f"found {alive} workers of {socket.gethostname()}, expected {expected}"


def scheduler(settings: Settings) -> str:
    """What is wrong with the scheduler of this machine; "" if nothing."""
    from rq.cron import CronScheduler

    from backend.jobs.connection import connection

    found = [cron for cron in CronScheduler.all(connection(settings), cleanup=False) if cron.hostname == socket.gethostname()]
    return "" if any(recent(cron.last_heartbeat) for cron in found) else f"found no scheduler of {socket.gethostname()}, expected one"


def recent(heartbeat: datetime | None) -> bool:
    """Whether a sign of life is younger than SILENT_SECONDS."""
    if heartbeat is None:
        return False
    aware = heartbeat if heartbeat.tzinfo else heartbeat.replace(tzinfo=UTC)
    return (datetime.now(UTC) - aware).total_seconds() < SILENT_SECONDS


CHECKS: dict[str, Callable[[Settings], str]] = {"web": web, "worker": worker, "scheduler": scheduler}


def main(arguments: list[str]) -> int:
    """The exit code of a health check."""
    if len(arguments) != 1 or arguments[0] not in CHECKS:
        print(f"found {' '.join(arguments) or 'nothing'}, expected one of {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    try:
        problem = CHECKS[arguments[0]](read_settings())
    except (RedisError, BackendError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
