"""What every job does: it opens its context, notes for the status how it ended, holds its fence, and waits
for a Label Studio or a shared storage that is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from rq import get_current_job

from backend import logs, stopping
from backend.errors import (
    BackendError,
    LabelStudioError,
    QueueError,
    StoppedError,
    StorageAwayError,
    StorageError,
    UnreachableError,
)
from backend.project.context import Context, open_context
from backend.queue import pending_work
from backend.queue.job_result import JobResult
from backend.queue.lease import SECONDS as FENCE_SECONDS
from backend.queue.lease import Fence
from backend.queue.pending_work import Work
from backend.queue.progress import Progress
from backend.stopping import stopped_by
from model.errors import ModelError

log = logging.getLogger(__name__)

TAKE_OVER_SECONDS = FENCE_SECONDS + 15
"""How long a job waits for a fence: until that of a killed run is surely free."""
LONGEST_OUTAGE = 6 * 3600.0
"""How long a round waits for Label Studio, or the shared storage, to answer again."""
LONGEST_OVERLOAD = 600.0
"""How long it waits for a Label Studio that answers, but with an error that may pass."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
"""Seconds between its tries, doubled each time."""

P = ParamSpec("P")
T = TypeVar("T")


def job(
    kind: str, *, noted: bool = True
) -> Callable[[Callable[Concatenate[Context, str, P], JobResult]], Callable[Concatenate[int, P], JobResult]]:
    """Turn a function of a context and a job id into one of a project id, which rq can run.

    What was stopped on purpose ends without failure, as {"stopped": why}.
    An error is `noted` for the status, counted so that the next try waits longer, and raised;
    what people must fix is not tried again at once.
    """

    def decorate(
        function: Callable[Concatenate[Context, str, P], JobResult],
    ) -> Callable[Concatenate[int, P], JobResult]:
        @wraps(function)
        def run(project_id: int, *args: P.args, **keywords: P.kwargs) -> JobResult:
            context = open_context(project_id)
            torch.set_num_threads(context.settings.torch_threads)
            current = get_current_job()
            context.job_id = job_id = current.id if current else f"direct-{project_id}-{time.time_ns()}"
            cancelled = Progress(context.redis, project_id, job_id, kind).check
            with logs.bound(project=project_id, job=job_id), stopped_by(cancelled):
                try:
                    result = function(context, job_id, *args, **keywords)
                except StoppedError as stopped:
                    log.info("%s stopped: %s", kind, stopped)
                    return {"stopped": str(stopped)}
                except Exception as error:
                    message = f"{type(error).__name__}: {error}"
                    log.error("%s failed: %s", kind, message)
                    if kind in (
                        Work.ROUND,
                        Work.FIRST_ORDER,
                        Work.LIVE,
                        Work.SYNC,
                        Work.CONFIGURE,
                    ):  # a training counts its failures itself
                        pending_work.fail(context.redis, project_id, Work(kind))
                    if noted:
                        context.note_error(kind, job_id, message)
                    fixable = isinstance(error, BackendError | ModelError) and not isinstance(
                        error, QueueError | StorageError
                    )
                    if current is not None and fixable:
                        current.retries_left = 0
                    raise
                if noted:
                    context.note_error(kind, job_id, "")
                return result

        return run

    return decorate


@contextmanager
def hold_fence(
    context: Context,
    what: str,
    job_id: str,
    kind: str,
    round_name: str = "",
    wait: float = TAKE_OVER_SECONDS,
    checks: tuple[Callable[[], None], ...] = (),
) -> Iterator[Progress | None]:
    """The progress of a job that holds a fence;
    None when another run that is alive still holds it after `wait` seconds.

    `checks` may raise what stops the job, also while it waits.
    """
    fence = Fence(context.redis, context.keys.fence(what))
    progress = Progress(context.redis, context.project_id, job_id, kind, checks=checks, round_name=round_name)
    try:
        until = time.monotonic() + wait
        while not fence.take(wait=2.0):
            progress("Waiting for another job of the project", 0, 1)
            progress.check()
            if time.monotonic() >= until:
                yield None
                return
        progress.fences.append(fence.check)
        with fence, stopped_by(progress.check):
            yield progress
    finally:
        progress.end()


def wait_for_answer(context: Context, progress: Progress, attempt: Callable[[], T]) -> T:
    """What `attempt` returns, which may be repeated, once Label Studio and the shared storage answer.

    Networks of the round are trained by now;
    a job that failed would be followed by a round that trains them again.
    Raises UnreachableError and StorageAwayError after LONGEST_OUTAGE seconds of waiting, and LabelStudioError
    for another error that has not passed after LONGEST_OVERLOAD.
    """
    waited, pause, subject = 0.0, FIRST_PAUSE, "waiting for Label Studio"
    try:
        while True:
            try:
                return attempt()
            except (LabelStudioError, StorageAwayError) as error:
                is_away = isinstance(error, UnreachableError | StorageAwayError)
                longest = LONGEST_OUTAGE if is_away else LONGEST_OVERLOAD
                if not error.passing or waited + pause > longest:
                    raise
                what = "the shared storage" if isinstance(error, StorageAwayError) else "Label Studio"
                context.note(subject, f"A round waits for {what}: {error}")
                log.warning("waiting for %s, asking again in %.0f s: %s", what, pause, error)
                progress(f"Waiting for {what}", 0, 1)
                stopping.pause(pause)
                waited += pause
                pause = min(2 * pause, LONGEST_PAUSE)
    finally:
        context.note(subject, "")
