"""Workers in processes of their own, for tests whose own process has threads.

A worker that is forked out of pytest inherits the locks that its threads hold, those of a proxy
or a server, and waits for them for ever. A process without threads, which has loaded what jobs need, forks it
instead.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping

from backend.queue.connection import COMPUTE, CONTROL
from backend.run.worker import create_worker
from backend.settings import get_settings

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.service.job_modules"])


def work_off(*names: str) -> None:
    """Have a worker, with the settings in force here, do all that waits in some queues, in both where none is
    named."""
    worker = _FORKS.Process(target=_work, args=(dict(os.environ), names or (CONTROL, COMPUTE)))
    worker.start()
    worker.join()
    assert worker.exitcode == 0


def _work(environment: Mapping[str, str], names: tuple[str, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    get_settings.cache_clear()
    create_worker(get_settings(), list(names)).work(burst=True, logging_level="WARNING")
