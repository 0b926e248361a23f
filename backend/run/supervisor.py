"""Keeps several programs running: starts them, starts one anew that dies, and ends them all."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from backend.errors import ProcessError
from backend.run.processes import Program, Running

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.5
"""Seconds before a program that died is started anew; doubled each time it dies again soon."""
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0
"""A program that ran so long starts with the first pause again."""
_LOOK_SECONDS = 0.1


@dataclass(eq=False)
class _Kept:
    program: Program
    running: Running
    started: float
    pause: float = FIRST_PAUSE
    foundation: bool = False
    start_at: float | None = None
    """When to start it anew (monotonic seconds); None while it runs."""


class Supervisor:
    """Programs that belong together. Use `with Supervisor() as s: s.add(program) ...; s.watch()`:
    leaving the block ends all of them.

    Not for threads: Linux kills children when the thread that started them ends.
    """

    def __init__(self) -> None:
        self._kept: list[_Kept] = []

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add(
        self,
        program: Program,
        *,
        ready: Callable[[], bool] | None = None,
        timeout: float = 60.0,
        tick: Callable[[float], None] | None = None,
        foundation: bool = False,
    ) -> Running:
        """Start a program and keep it running from now on;
        with `ready`, wait until that holds, telling `tick` the seconds waited.

        A `foundation` is what the others need until their end: it is ended after them.
        Raises ProcessError when the program ends before it is ready.
        """
        kept = _Kept(program, program.start(), time.monotonic(), foundation=foundation)
        self._kept.append(kept)
        try:
            if ready is not None:
                kept.running.wait_until(ready, timeout=timeout, tick=tick)
        except ProcessError:
            kept.running.stop()
            self._kept.remove(kept)
            raise
        return kept.running

    def running(self, name: str) -> Running:
        """The program of that name as it runs now."""
        for kept in self._kept:
            if kept.program.name == name:
                return kept.running
        raise ProcessError(
            f"no program {name!r} here, only {', '.join(kept.program.name for kept in self._kept)}."
        )

    def pids(self) -> list[int]:
        """The process ids of everything that runs."""
        return [pid for kept in self._kept for pid in kept.running.pids()]

    def look(self) -> None:
        """Look once: note what died, start anew what is due."""
        now = time.monotonic()
        for kept in self._kept:
            if kept.start_at is None and (code := kept.running.exit_code()) is not None:
                kept.running.stop()  # also what it left behind
                kept.pause = (
                    FIRST_PAUSE if now - kept.started > STEADY_SECONDS else min(kept.pause * 2, LONGEST_PAUSE)
                )
                kept.start_at = now + kept.pause
                log.warning(
                    "%s ended with exit code %d; starting it again in %.1f s.%s",
                    kept.program.name,
                    code,
                    kept.pause,
                    kept.running.log_end(),
                )
            elif kept.start_at is not None and now >= kept.start_at:
                kept.running = kept.program.start()
                kept.started, kept.start_at = now, None
                log.info("%s started again, process %d", kept.program.name, kept.running.pid)

    def watch(self, *, until: Callable[[], bool] = lambda: False) -> None:
        """Keep everything running until `until()` holds, or SIGINT or SIGTERM arrives (see
        `stopping_signals`)."""
        with stopping_signals() as stopped:
            while not stopped() and not until():
                self.look()
                time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """End everything, at once but for the foundations, which end last;
        nothing is left behind, also not by a second Ctrl-C."""
        with stopping_signals():
            backwards = self._kept[::-1]
            upper = [kept for kept in backwards if not kept.foundation]
            for kept in upper:
                kept.running.request_stop()
            for kept in [*upper, *(kept for kept in backwards if kept.foundation)]:
                kept.running.stop()
                log.info("%s ended", kept.program.name)
            self._kept.clear()


@contextmanager
def stopping_signals() -> Iterator[Callable[[], bool]]:
    """Note signals that ask this process to end instead of ending it;
    yields a function that tells whether one came."""
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {
        number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
