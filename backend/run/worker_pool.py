"""This machine's workers in one program: `python -m backend.run.worker_pool`.

The libraries of the networks are loaded once, in seconds. Each worker is a fork of this process:
it starts in milliseconds, and all of them share that memory.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from backend import logs
from backend.queue.connection import COMPUTE, CONTROL, CONTROL_WORKERS
from backend.run import process_guard
from backend.run.supervisor import FIRST_PAUSE, LONGEST_PAUSE, STEADY_SECONDS
from backend.run.worker import load_what_jobs_need, work
from backend.settings import get_settings
from model.stop_signals import SIGNALS, deferred, leave

log = logging.getLogger("backend.run.worker_pool")

_LOOK_SECONDS = 0.1


class WorkerPool:
    """Workers, each on one queue: one that ends by itself is started again, until a signal ends all."""

    def __init__(self, work: Callable[[str], None]) -> None:
        """`work(queue)` is a worker's whole life, in a process of its own."""
        self._work = work
        self._running: dict[int, tuple[str, float]] = {}  # process id to queue and start (monotonic seconds)
        self._pause = FIRST_PAUSE
        self._ending = False

    def run(self, queues: list[str]) -> None:
        """Keep one worker a queue running; returns when a signal has ended all of them."""
        for number in SIGNALS:
            signal.signal(number, self._pass_on)
        for queue in queues:
            self._start(queue)
        while self._running:
            pid, status = os.wait()
            queue, started = self._running.pop(pid)
            if not self._ending:
                self._start_again(queue, started, os.waitstatus_to_exitcode(status))

    def _start(self, queue: str) -> None:
        pool = os.getpid()
        with deferred():  # a signal comes before the fork or after it, never to a half of it
            if self._ending:
                return
            pid = os.fork()
            if pid == 0:
                for number in SIGNALS:
                    signal.signal(number, signal.SIG_DFL)
            else:
                self._running[pid] = (queue, time.monotonic())
        if pid == 0:
            self._live(queue, pool)

    def _live(self, queue: str, pool: int) -> None:
        try:
            process_guard.die_with(pool)
            self._work(queue)
            leave()
        except BaseException:
            log.exception("a worker on %s ends", queue)
        finally:
            os._exit(1)

    def _start_again(self, queue: str, started: float, code: int) -> None:
        steady = time.monotonic() - started > STEADY_SECONDS
        self._pause = FIRST_PAUSE if steady else min(self._pause * 2, LONGEST_PAUSE)
        log.warning(
            "a worker on %s ended with exit code %d; starting it again in %.1f s.", queue, code, self._pause
        )
        until = time.monotonic() + self._pause
        while time.monotonic() < until and not self._ending:
            time.sleep(_LOOK_SECONDS)
        self._start(queue)
        log.info("a worker on %s started again", queue)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self._ending = True
        for pid in self._running:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, number)


def main() -> None:
    """Run the workers for short jobs, and WORKERS for trainings and rounds."""
    settings = get_settings()
    logs.configure_logging(settings)
    load_what_jobs_need([CONTROL, COMPUTE])
    gc.freeze()  # what is loaded is never garbage: collecting it would copy the memory that is shared
    WorkerPool(work).run([CONTROL] * CONTROL_WORKERS + [COMPUTE] * settings.workers)


if __name__ == "__main__":
    main()
    leave()
