"""Processes that share the cores of this machine."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import torch


def executor(jobs: int) -> Executor:
    """An executor of `jobs` processes with an equal share of the cores each; one job runs in this process."""
    if jobs == 1:
        return ThreadPoolExecutor(1)
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # spawn: a forked process may inherit locked thread pools of torch
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=torch.set_num_threads, initargs=(threads,))
