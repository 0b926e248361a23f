"""Waiting that ends when the job that waits is to stop:
for servers that do not answer, for threads, and for time to pass.

A request may take minutes with all its tries, and no library ends one from outside.
So a job has it made by a thread of its own, and leaves it to itself when it is to stop.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TypeVar

CHECK_SECONDS = 1.0
"""Between two looks at whether to stop."""

T = TypeVar("T")
Item = TypeVar("Item")
_check: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)


@contextmanager
def stopped_by(check: Callable[[], None]) -> Iterator[None]:
    """Whatever waits inside raises what `check` raises, which is called each second, by several threads."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def wait_for(call: Callable[[], T]) -> T:
    """What `call` returns or raises;
    raises what stops the job meanwhile, and leaves the call to itself then."""
    check = _check.get()
    if check is None:
        return call()
    future: Future[T] = Future()

    def work() -> None:
        _check.set(None)
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=copy_context().run, args=(work,), name="request", daemon=True).start()
    while True:
        try:
            return future.result(CHECK_SECONDS)
        except TimeoutError:
            if future.done():  # its own
                raise
        check()


def pause(seconds: float) -> None:
    """Let time pass; raises what stops the job meanwhile."""
    until, check = time.monotonic() + seconds, _check.get()
    while (left := until - time.monotonic()) > 0:
        if check is not None:
            check()
        time.sleep(min(CHECK_SECONDS, left))


def in_threads(
    function: Callable[[Item], T],
    items: Iterable[Item],
    threads: int,
    *,
    begin: Callable[[], object] | None = None,
    wait: bool = False,
) -> Generator[T]:
    """`function` of each item, in order, by several threads that run on ahead;
    they belong to the job as this one does, and each does `begin` first.

    When the iterator is closed early (`contextlib.closing`), what has not begun does not begin, and nobody
    waits for the rest, unless told to `wait`.
    """
    executor = ThreadPoolExecutor(threads, initializer=begin)
    try:
        waiting = deque(executor.submit(copy_context().run, function, item) for item in items)
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(wait=wait, cancel_futures=True)
