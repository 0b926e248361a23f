"""Processes that share the cores of this machine, and end when they are no longer wanted."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from typing import Any, TypeVar

from model import stop_signals
from model.errors import ProcessEndedError
from model.machine import usable_cores

PARENT_CHECK_SECONDS = 2.0

Result = TypeVar("Result")


@contextmanager
def executor(jobs: int) -> Iterator[Executor]:
    """An executor of `jobs` processes with an equal share of the cores each;
    one job runs here, so that it can be interrupted.

    When the block is left by an error or Ctrl-C, work that has begun is ended at once.
    Raises ProcessEndedError when one of them is killed.
    """
    if jobs == 1:
        yield _Here()
        return
    cores = usable_cores()
    # spawn: a forked process may inherit locked thread pools of torch
    context = multiprocessing.get_context("spawn")
    with stop_signals.deferred():
        # here, not in the midst of `submit`: it unblocks signals when it has started
        resource_tracker.ensure_running()
    workers = _Workers(jobs, context, initializer=_begin, initargs=(max(1, cores // jobs), os.getpid()))
    try:
        yield workers
    except BaseException as error:
        with stop_signals.ignored():
            for process in multiprocessing.active_children():
                process.kill()  # what it has finished is in files, each written whole
            workers.shutdown(cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise ProcessEndedError(
                "One of the processes was ended from outside, most likely because memory ran out. What is"
                " finished is kept: the same command goes on from there; fewer --jobs or a smaller"
                " --image-size need less memory."
            ) from error
        raise
    workers.shutdown()


def results_of(
    jobs: int, function: Callable[..., Result], units: Mapping[str, tuple[Any, ...]]
) -> Iterator[tuple[str, Result]]:
    """Each unit's name with what function(*unit) gave, as they finish."""
    remaining = iter(units.items())
    pending: dict[Future[Result], str] = {}
    with executor(jobs) as workers:
        while True:
            for name, unit in islice(remaining, jobs - len(pending)):
                pending[workers.submit(function, *unit)] = name
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                yield pending.pop(future), future.result()


class _Workers(ProcessPoolExecutor):
    """Starts its processes shielded from signals:
    Ctrl-C in a terminal goes to all processes, and is for the parent alone to handle."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        with stop_signals.deferred():
            return super().submit(fn, *args, **kwargs)


class _Here(Executor):
    """Does the work when it is submitted, in this thread."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _begin(threads: int, parent: int) -> None:
    import torch  # here: a parent that has loaded it already does not need it for this

    torch.set_num_threads(threads)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process soon after its parent, which may have been killed;
    it would work on for hours otherwise."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)
