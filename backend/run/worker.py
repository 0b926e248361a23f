"""A worker: it takes jobs from its queues, `control` or `compute`, and forks for each.

A machine's workers are forks of one program (backend.run.worker_pool).
One alone, on any machine: `python -m backend.run.worker compute`.
"""

from __future__ import annotations

import importlib
import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, Worker, worker_registration
from rq.executions import Execution
from rq.job import Job, JobStatus

from backend import logs
from backend.errors import BackendError, SettingsError
from backend.labelstudio.http.sdk_client import load_sdk
from backend.proxy import open_client
from backend.queue import job_statistics
from backend.queue.connection import COMPUTE, CONTROL, named
from backend.queue.heartbeats import AHEAD, CLOCK_MOST, describe_clock, seconds_ahead
from backend.queue.job_statistics import Outcome
from backend.run import process_guard
from backend.settings import Settings, get_settings, masked_url
from model.errors import ModelError
from model.stop_signals import leave

log = logging.getLogger("backend.run.worker")

IDLE_SECONDS = 45
"""An idle worker wakes so often (less 15 s) and looks for jobs whose worker was killed;
rq's own 420 s would leave them waiting."""
MAINTENANCE_SECONDS = 20
HEARTBEAT_SECONDS = 10
"""A worker that has a job says so often that it is alive ..."""
SILENT_SECONDS = 45
"""... and one that has not for so long was killed, and its job is begun anew;
a fence that it held is free by then, too.
With rq's own numbers it is 90 s, in which an annotator waits for the order that memory has run out for."""


CLOCK_SECONDS = 15.0
"""A worker whose clock is wrong looks again after so long."""


class CountedWorker(Worker):
    """rq's worker, whose jobs are counted for the metrics, and whose log lines say which job they belong to.

    It takes no jobs, and takes none of others for lost, while its clock is far from that of Redis: workers
    write the time of their own clocks, by which others tell whether they are alive.
    """

    clock: Callable[[], float] = staticmethod(time.time)
    seconds_ahead = 0.0
    """What the clock was ahead of that of Redis at the last sign of life."""

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next job, once the clock is right; looks at the clock again whenever none has come for a
        while."""
        while True:
            self._wait_for_clock()
            found = super().dequeue_job_and_maintain_ttl(timeout, max_idle_time or timeout)
            if found or max_idle_time or timeout is None:
                return found

    def _wait_for_clock(self) -> None:
        while True:
            with suppress(RedisError):  # rq waits for it
                self.heartbeat()
            if abs(self.seconds_ahead) <= CLOCK_MOST:
                return
            log.error("%s", describe_clock(self.hostname or "this machine", self.seconds_ahead))
            time.sleep(CLOCK_SECONDS)

    def run_maintenance_tasks(self) -> None:
        """Begin again what killed workers have left."""
        if abs(seconds_ahead(self.connection, self.clock)) <= CLOCK_MOST:
            super().run_maintenance_tasks()

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Tell Redis again who this is, not only that it is alive.

        After the machine was suspended for minutes, or Redis was emptied, nothing else of it is known there
        any more.
        """
        super().heartbeat(timeout, pipeline)
        if self.birth_date is not None:
            self.seconds_ahead = seconds_ahead(self.connection, self.clock)
            entry = {**self.serialize(), AHEAD: f"{self.seconds_ahead:.1f}"}
            (self.connection if pipeline is None else pipeline).hset(self.key, mapping=entry)
            worker_registration.register(self, pipeline)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Seconds from now after which the job counts as abandoned, unless there is a further heartbeat."""
        del job, working_time
        return SILENT_SECONDS

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """The life of a work horse:
        it does not outlive its worker, or it would go on beside the one that does the job again."""
        assert self.pid is not None, "of this machine"
        process_guard.die_with(self.pid)
        super().main_work_horse(job, queue)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Fork a work horse for the job and wait for its end; the horse inherits what is bound here."""
        with logs.bound(
            job=job.id, **{name: job.meta[name] for name in ("project", "round") if name in job.meta}
        ):
            super().execute_job(job, queue)

    def handle_job_success(
        self, job: Job, queue: Queue, started_job_registry: Any, execution: Execution
    ) -> None:
        """What rq does when a job has returned."""
        super().handle_job_success(job, queue, started_job_registry, execution)
        result = job.return_value()
        stopped = isinstance(result, dict) and "stopped" in result
        job_statistics.note_job(job, Outcome.STOPPED if stopped else Outcome.FINISHED, execution.created_at)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """What rq does when a job has raised;
        where an error that was foreseen, and told in one line, comes from helps nobody."""
        error = exc_info[1]
        if isinstance(error, BackendError | ModelError):
            error.__cause__, error.__suppress_context__ = None, True
            exc_info = (type(error), error, None)
        super().handle_exception(job, *exc_info)

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: Any = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """What rq does when a job has raised, in its horse, or when the horse has died, in the worker."""
        super().handle_job_failure(job, queue, started_job_registry, exc_string, execution)
        started = execution.created_at if execution else job.started_at
        if self.is_horse:
            job_statistics.note_job(job, Outcome.FAILED, started)
        else:
            again = job.get_status(refresh=False) is not JobStatus.FAILED
            job_statistics.note_killed(job, started, again=again)


def create_worker(settings: Settings, names: list[str], redis: Any = None) -> Worker:
    """A worker on some queues, the first served first. rq waits on its connection for as long as it is idle,
    so it needs one of its own."""
    redis = redis or Redis.from_url(settings.redis_address, socket_connect_timeout=5, socket_keepalive=True)
    return CountedWorker(
        [named(name, redis) for name in names],
        connection=redis,
        maintenance_interval=MAINTENANCE_SECONDS,
        worker_ttl=IDLE_SECONDS,
        job_monitoring_interval=HEARTBEAT_SECONDS,
        exception_handlers=[job_statistics.note_abandoned],
    )


def load_what_jobs_need() -> None:
    """Once, before this process forks for each job."""
    import backend.jobs.entry_points

    load_sdk()
    with suppress(SettingsError):  # a job tells of it
        open_client().close()
    import model.network.training
    import model.strategies

    model.strategies.strategy_names()
    importlib.import_module("torch._dynamo")  # which torch's optimisers load at their first step
    _load_encoder()  # or each look at a project would read it from its file
    del model
    del backend


def _load_encoder() -> None:
    """By this thread alone: where several have worked, a fork waits for them for ever at its first job."""
    import torch

    from model.pixels.pretrained import load_encoder

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    load_encoder()
    torch.set_num_threads(threads)


def main(names: list[str]) -> None:
    """Work on the queues until a signal ends it; both queues when none is named."""
    names = names or [CONTROL, COMPUTE]
    unknown = sorted(set(names) - {CONTROL, COMPUTE})
    if unknown:
        raise SettingsError(f"Unknown queue {', '.join(unknown)}; expected {CONTROL}, {COMPUTE}, or both.")
    logs.configure_logging(get_settings())
    load_what_jobs_need()
    work(*names)


def work(*names: str) -> None:
    """Work on queues, the first served first, until a signal ends it."""
    settings = get_settings()
    storage = masked_url(settings.storage_url) if settings.storage_url else settings.model_dir
    log.info("worker on %s, %d threads a job, storage %s", ", ".join(names), settings.torch_threads, storage)
    create_worker(settings, list(names)).work(logging_level="WARNING")


if __name__ == "__main__":
    main(sys.argv[1:])
    leave()
