"""Whether one program of the service works, for the health checks of containers:
`python -m backend.run.health web|worker|scheduler`.

It looks from inside the program's container, and ends with 0, or with 1 and one line that says what was
found.
"""

from __future__ import annotations

import socket
import sys
import urllib.request
from collections.abc import Callable

from redis.exceptions import RedisError

from backend.errors import BackendError
from backend.settings import Settings, read_settings


def web(settings: Settings) -> str:
    """What is wrong with the web server of this machine; "" if nothing."""
    try:
        with urllib.request.urlopen(f"{settings.local_url}/health", timeout=5):
            return ""
    except OSError as error:
        return f"found no answer at {settings.local_url} ({error}), expected the web server"


def worker(settings: Settings) -> str:
    """What is wrong with the workers of this machine; "" if nothing."""
    from backend.queue.connection import CONTROL_WORKERS, connection
    from backend.queue.heartbeats import alive

    count = sum(found.host == socket.gethostname() for found in alive(connection(settings)).workers)
    expected = settings.workers + CONTROL_WORKERS
    return (
        "" if count >= expected else f"found {count} workers of {socket.gethostname()}, expected {expected}"
    )


def scheduler(settings: Settings) -> str:
    """What is wrong with the scheduler of this machine; "" if nothing."""
    from backend.queue.connection import connection
    from backend.queue.heartbeats import alive

    found = [found for found in alive(connection(settings)).schedulers if found.host == socket.gethostname()]
    return "" if found else f"found no scheduler of {socket.gethostname()}, expected one"


CHECKS: dict[str, Callable[[Settings], str]] = {"web": web, "worker": worker, "scheduler": scheduler}


def main(arguments: list[str]) -> int:
    """The exit code of a health check."""
    if len(arguments) != 1 or arguments[0] not in CHECKS:
        print(
            f"found {' '.join(arguments) or 'nothing'}, expected one of {', '.join(CHECKS)}", file=sys.stderr
        )
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
