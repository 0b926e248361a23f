"""The process that starts what happens by itself: rq's cron, and beside it the gathering of events.

Run one: `python -m backend.run.scheduler`. A second one does no harm, as no job is made twice.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from types import FrameType

from redis import Redis
from redis.exceptions import RedisError
from rq.cron import CronScheduler
from rq.exceptions import StopRequested

from backend.errors import BackendError
from backend.jobs.due_work import dispatch, nightly, remember_projects, tick
from backend.logs import configure_logging
from backend.queue.connection import CONTROL, connection
from backend.settings import Settings, get_settings

log = logging.getLogger("backend.run.scheduler")

WAITING_SECONDS = 55
"""A tick that no worker has taken for so long is dropped: the next one does the same."""
NIGHTLY_SECONDS = 3600
"""For all projects, one after the other: how long Label Studio may take to tell what has changed in each."""
PAUSE_SECONDS = 2.0
"""Before another try when Redis or the shared storage is away."""


def keep_dispatching(redis: Redis, settings: Settings, ended: threading.Event) -> None:
    """Gather every few seconds until `ended`; an error (Redis away) is logged once and does not end it."""
    failed = ""
    while not ended.wait(settings.gather_seconds):
        try:
            dispatch(redis, settings)
            if failed:
                log.info("events are gathered again")
            failed = ""
        except (RedisError, BackendError, OSError) as error:
            if str(error) != failed:
                log.error("events cannot be gathered: %s", error)
            failed = str(error)


class Scheduler(CronScheduler):
    """rq's cron;
    a further signal while it ends does nothing, where rq's own would raise anew wherever the end has got
    to."""

    asked_to_end = False
    """Whether one of this process was:
    what a signal raises may be lost, as the log and the storage take it for an error of theirs."""

    def _request_stop(self, signum: int, frame: FrameType | None) -> None:
        Scheduler.asked_to_end = True
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        super()._request_stop(signum, frame)


def create_scheduler(redis: Redis, settings: Settings) -> Scheduler:
    """The schedule with the jobs of this service."""
    scheduler = Scheduler(connection=redis, logging_level=logging.WARNING)
    scheduler.register(
        tick, CONTROL, interval=settings.tick_seconds, ttl=WAITING_SECONDS, result_ttl=0, failure_ttl=3600
    )
    if settings.nightly.lower() != "off":
        scheduler.register(
            nightly, CONTROL, cron=settings.nightly, job_timeout=NIGHTLY_SECONDS, result_ttl=3600
        )
    return scheduler


def main() -> None:
    """Run rq's cron, and beside it the gathering of events, until a signal ends them."""
    settings = get_settings()
    configure_logging(settings)
    logging.getLogger("rq.cron").setLevel(logging.WARNING)  # it tells of every tick
    redis = connection(settings)
    ended = threading.Event()
    threading.Thread(
        target=keep_dispatching, args=(redis, settings, ended), name="gather", daemon=True
    ).start()
    try:
        while not Scheduler.asked_to_end:
            try:
                remember_projects(redis, settings)
                create_scheduler(redis, settings).start()
                return
            except (RedisError, BackendError) as error:  # Redis restarts, or the shared storage is away
                log.error("the schedule pauses: %s", error)
                time.sleep(PAUSE_SECONDS)
    except StopRequested:  # asked to end during that pause: what rq has set for signals stays
        pass
    finally:
        ended.set()


if __name__ == "__main__":
    main()
