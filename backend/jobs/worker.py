"""A worker process: `python -m backend.jobs.worker control` (one) or `... compute` (any number, on any machine).

The libraries of the networks are imported before it forks for each job, so that a job starts in milliseconds.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from redis import Redis
from rq import Worker

from backend.errors import SettingsError
from backend.jobs.connection import COMPUTE, CONTROL, named
from backend.logs import configure_logging
from backend.settings import Settings, get_settings

log = logging.getLogger(__name__)

IDLE_SECONDS = 45
"""An idle worker wakes so often (less 15 s) and looks for jobs whose worker was killed; rq's own 420 s would leave them waiting."""
MAINTENANCE_SECONDS = 20


def create_worker(settings: Settings, names: list[str], redis: Any = None) -> Worker:
    """A worker on some queues, the first served first. rq waits on its connection for as long as it is idle, so it needs one of its own."""
    redis = redis or Redis.from_url(settings.redis_address, socket_connect_timeout=5, socket_keepalive=True)
    return Worker(
        [named(name, redis) for name in names], connection=redis, maintenance_interval=MAINTENANCE_SECONDS, worker_ttl=IDLE_SECONDS
    )


def main(names: list[str]) -> None:
    """Work on the queues until a signal ends it; both queues when none is named."""
    names = names or [CONTROL, COMPUTE]
    unknown = sorted(set(names) - {CONTROL, COMPUTE})
    if unknown:
        raise SettingsError(f"Unknown queue {', '.join(unknown)}; expected {CONTROL}, {COMPUTE}, or both.")
    settings = get_settings()
    configure_logging(settings)
    # With threads that spin while they wait, a training is 50 times slower on a machine that does something else as well.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import backend.jobs.work

    log.info(
        "worker on %s, %d threads a job, storage %s", ", ".join(names), settings.torch_threads, settings.storage_url or settings.model_dir
    )
    del backend
    create_worker(settings, names).work(logging_level="WARNING")


if __name__ == "__main__":
    main(sys.argv[1:])
