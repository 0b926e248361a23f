"""Processes that share the cores of this machine."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import torch

PARENT_CHECK_SECONDS = 2.0


def executor(jobs: int) -> Executor:
    """An executor of `jobs` processes with an equal share of the cores each; one job runs in this process."""
    if jobs == 1:
        return ThreadPoolExecutor(1)
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # spawn: a forked process may inherit locked thread pools of torch
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(threads, os.getpid()))


def _begin(threads: int, parent: int) -> None:
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process soon after its parent, which may have been killed; it would work on for hours otherwise."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)
