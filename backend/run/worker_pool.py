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
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
BACKGROUND_NICENESS = 5
"""Of workers for trainings and rounds: for what a control worker does, an annotator waits."""


@dataclass(eq=False)
class _Worker:
    """One worker of the pool, however often it is started."""

    queue: str
    pid: int | None = None  # None while it does not run
    started: float = 0.0  # monotonic seconds, as below
    pause: float = 0.0
    start_at: float = 0.0


class WorkerPool:
    """Workers, each on one queue: one that ends by itself is started again, until a signal ends all."""

    def __init__(self, work: Callable[[str], None], queues: Sequence[str]) -> None:
        """`work(queue)` is a worker's whole life, in a process of its own."""
        self._work = work
        self._workers = [_Worker(queue) for queue in queues]
        self._ending = False

    def run(self) -> None:
        """Keep them running; returns when a signal has ended all of them."""
        for number in SIGNALS:
            signal.signal(number, self._pass_on)
        while not self._ending or any(worker.pid for worker in self._workers):
            for worker in self._workers:
                if worker.pid is not None:
                    self._look(worker, worker.pid)
                elif time.monotonic() >= worker.start_at:
                    self._start(worker)
            time.sleep(_LOOK_SECONDS)

    def _look(self, worker: _Worker, pid: int) -> None:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            return
        worker.pid, now = None, time.monotonic()
        if not self._ending:
            steady = now - worker.started > STEADY_SECONDS
            worker.pause = FIRST_PAUSE if steady else min(max(worker.pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            worker.start_at = now + worker.pause
            log.warning(
                "a worker on %s ended with exit code %d; starting it again in %.1f s.",
                worker.queue,
                os.waitstatus_to_exitcode(status),
                worker.pause,
            )

    def _start(self, worker: _Worker) -> None:
        pool = os.getpid()
        with deferred():  # a signal comes before the fork or after it, never to a half of it
            if self._ending:
                return
            pid = os.fork()
            if pid == 0:
                for number in SIGNALS:
                    signal.signal(number, signal.SIG_DFL)
            else:
                worker.pid, worker.started = pid, time.monotonic()
        if pid == 0:
            self._live(worker.queue, pool)

    def _live(self, queue: str, pool: int) -> None:
        try:
            process_guard.die_with(pool)
            if queue == COMPUTE:
                os.nice(BACKGROUND_NICENESS)
            self._work(queue)
            leave()
        except BaseException:
            log.exception("a worker on %s ends", queue)
        finally:
            os._exit(1)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self._ending = True
        for worker in self._workers:
            if worker.pid is not None:
                with suppress(ProcessLookupError):  # it has just ended
                    os.kill(worker.pid, number)


def main() -> None:
    """Run the workers for short jobs, and WORKERS for trainings and rounds."""
    settings = get_settings()
    logs.configure_logging(settings)
    load_what_jobs_need()
    gc.freeze()  # what is loaded is never garbage: collecting it would copy the memory that is shared
    WorkerPool(work, [CONTROL] * CONTROL_WORKERS + [COMPUTE] * settings.workers).run()


if __name__ == "__main__":
    main()
    leave()
