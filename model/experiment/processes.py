"""Processes that share the cores of this machine, and end when they are no longer wanted."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from typing import Any, TypeVar

from model import stop_signals
from model.errors import ProcessEndedError
from model.machine import usable_cores

PARENT_CHECK_SECONDS = 2.0

Name = TypeVar("Name")
Result = TypeVar("Result")


def results_of(
    jobs: int, function: Callable[..., Result], ready: Callable[[], Mapping[Name, tuple[Any, ...]]]
) -> Generator[tuple[Name, Result]]:
    """Each unit's name with what function(*unit) gave, as they finish.

    `ready` gives what can be done now, the best first, whenever one of `jobs` processes is free;
    what it still gives of the units that have begun is left out. A single job runs in this process.
    When this is left by an error or Ctrl-C, work that has begun is ended at once.
    Raises ProcessEndedError when a process is killed.
    """
    if jobs == 1:
        while units := ready():
            name, unit = next(iter(units.items()))
            yield name, function(*unit)
        return
    pending: dict[Future[Result], Name] = {}
    with _executor(jobs) as workers:
        while True:
            begun = {*pending.values()}
            waiting = (item for item in ready().items() if item[0] not in begun)
            for name, unit in islice(waiting, jobs - len(pending)):
                pending[workers.submit(function, *unit)] = name
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                yield pending.pop(future), future.result()


@contextmanager
def _executor(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes with an equal share of the cores each."""
    # spawn: a forked process may inherit locked thread pools of torch
    context = multiprocessing.get_context("spawn")
    with stop_signals.deferred():
        # here, not in the midst of `submit`: it unblocks signals when it has started
        resource_tracker.ensure_running()
    threads = max(1, usable_cores() // jobs)
    workers = _Workers(jobs, context, initializer=_begin, initargs=(threads, os.getpid()))
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


class _Workers(ProcessPoolExecutor):
    """Starts its processes shielded from signals:
    Ctrl-C in a terminal goes to all processes, and is for the parent alone to handle."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        with stop_signals.deferred():
            return super().submit(fn, *args, **kwargs)


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
