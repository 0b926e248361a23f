"""Ctrl-C, `kill` and a closed terminal end a command in order:
one line of ours, no traceback, and nothing that goes on.

A command lives in three stages. While it loads its libraries, a signal ends it at once.
While it works, the signal is raised where the work is, so that it can be put down.
While it cleans up, further signals are ignored.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAME_PRESS_SECONDS = 1.0
"""Ctrl-C pressed again within this time is the same wish:
a second exception would disturb what the first one began to clean up."""
RETRY_SECONDS = 0.05

Handler = Callable[[int, FrameType | None], Any]


class Stopped(KeyboardInterrupt):
    """A signal asked this command to end; `exit_code` is 128 + its number, as in shells."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.exit_code = 128 + number


def end_at_once() -> None:
    """From now on a signal ends this process without a word of Python's:
    to be called before the large libraries are imported."""
    _handle(_leave)


def leave() -> NoReturn:
    """End this process, whose work is done, with 0.

    Python would take the networks' libraries apart, which costs a second of processor time
    and keeps whoever waits for the end.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(0)


@contextmanager
def raised() -> Iterator[None]:
    """In this block a signal is raised as `Stopped`.

    When that has happened, a command that called `end_at_once` ignores further signals: only its end is left.
    """
    if (
        threading.current_thread() is not threading.main_thread()
    ):  # only that one may handle signals, and gets them
        yield
        return
    handlers: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    hook = sys.unraisablehook
    press = _Press()
    _handle(press)

    def raise_again(unraisable: Any) -> None:
        # Raised within a destructor, an exception goes nowhere: Python prints it and goes on.
        if isinstance(unraisable.exc_value, Stopped):
            press.repeat(unraisable.exc_value.number)
        else:
            hook(unraisable)

    sys.unraisablehook = raise_again
    try:
        yield
    except Stopped:
        handlers = {
            number: signal.SIG_IGN if handler is _leave else handler for number, handler in handlers.items()
        }
        raise
    finally:
        sys.unraisablehook = hook
        _restore(handlers)


@contextmanager
def ignored() -> Iterator[None]:
    """In this block signals do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    _restore(dict.fromkeys(SIGNALS, signal.SIG_IGN))
    try:
        yield
    finally:
        _restore(handlers)


@contextmanager
def deferred() -> Iterator[None]:
    """In this block signals wait for its end. A process started in it never sees one:
    it inherits that they wait, from its first moment."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Press:
    """Raises `Stopped` at a signal."""

    def __init__(self) -> None:
        self.last = -SAME_PRESS_SECONDS

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self.last >= SAME_PRESS_SECONDS:
            self.last = now
            raise Stopped(number)

    def repeat(self, number: int) -> None:
        """Have the signal come again in a moment."""
        self.last = -SAME_PRESS_SECONDS
        timer = threading.Timer(RETRY_SECONDS, os.kill, (os.getpid(), number))
        timer.daemon = True
        timer.start()


def _leave(number: int, _frame: FrameType | None) -> None:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"Stopped.\n")
    os._exit(128 + number)


def _handle(handler: Handler) -> None:
    """Handle the signals, but for those that whoever started this process has made it ignore (nohup, a shell
    in the background)."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None:  # it was not set by Python
            signal.signal(number, handler)
