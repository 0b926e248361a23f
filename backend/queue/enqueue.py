"""Starting jobs, each at most once where once is enough."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from redis import Redis
from rq import Retry
from rq.exceptions import InvalidJobOperation
from rq.job import Dependency, Job

from backend.errors import RequestError
from backend.project_settings import parse_round_options
from backend.queue import pending_work, round_request
from backend.queue.connection import COMPUTE, CONTROL, KEPT_SECONDS, Keys, as_text, connection, named
from backend.queue.pending_work import Work
from backend.queue.project_info import ProjectInfo
from backend.queue.project_jobs import (
    ALIVE,
    EXPORT,
    FINISH,
    ROLLBACK,
    START,
    UNIT,
    UNSKIP,
    WAITING,
    fetch,
    find,
    lock,
)
from backend.queue.round_request import RoundRequest
from backend.settings import get_settings
from backend.store.storage import Storage

RETRIES = 2
"""How often a job is run again that failed or whose worker was killed."""
ASKED_FOR = "training_asked_for"
"""In the hash of a project's jobs: the training that somebody asked for while it waited by itself."""
BRIEFLY_KEPT: Mapping[str, int] = {Work.SYNC: 600, Work.CONFIGURE: 600, Work.LIVE: 3600}
"""Seconds for which jobs can be asked about that ended well and come each minute, or with each label;
a week of them would take 50 MB of Redis for each project."""


def enqueue_training(project_id: int, *, reason: str = "asked for", only_new: bool = False) -> str:
    """Train on all labels now; returns the job's id. One that waits already is not joined by a second;
    one that runs is followed by it.

    With `only_new`, the job does nothing if all labels are trained when it starts.
    """
    redis = connection()
    with lock(redis, project_id):
        waiting = find(redis, project_id, Work.TRAINING, WAITING)
        if waiting:
            if not only_new:
                redis.hset(Keys(project_id).jobs, ASKED_FOR, waiting.id)
            return waiting.id
        started = find(redis, project_id, Work.TRAINING, ALIVE)
        # At the front:
        # annotators wait for a new model, and rows of other projects may fill the queue for hours.
        return _enqueue(
            redis,
            project_id,
            Work.TRAINING,
            "train",
            (project_id, reason),
            {"only_new": only_new},
            after=[started] if started else [],
            at_front=True,
        )


def is_asked_for(redis: Redis, project_id: int, job_id: str) -> bool:
    """Whether somebody asked for a training that waited by itself: it trains, also where no label is new."""
    return as_text(redis.hget(Keys(project_id).jobs, ASKED_FOR) or "") == job_id


def enqueue_round(
    project_id: int,
    reason: str,
    *,
    train: bool = False,
    budget: int | None = None,
    strategy: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> str:
    """Compute the order anew, after a training if labels came since the last one (or `train`);
    returns the job's id.

    `budget`, `strategy` and `options` of strategies hold for one round in place of the project's settings.
    A round that has not looked at the labels yet, or since whose look nothing has changed, is joined.
    Another one is superseded: it stops, and the new one begins.
    Either way the round that comes to its end uses what was asked for last. Raises SettingsError.
    """
    parse_round_options({"budget": budget, "strategy": strategy, **(options or {})})
    redis = connection()
    keys = Keys(project_id)
    with lock(redis, project_id):
        before = round_request.read_pending(redis, project_id)
        request = before.changed(budget, strategy, options or {})
        # Before "snapshotted" is read: a round notes that, and reads what is requested then.
        round_request.set_pending(redis, project_id, request)
        started = find(redis, project_id, START, ALIVE)
        if (
            started
            and as_text(redis.hget(keys.jobs, "snapshotted") or "") != started.id
            and (not train or started.kwargs.get("train"))
        ):
            return started.id
        running = started or find(redis, project_id, FINISH, ALIVE)
        if running and not train and _meets(redis, project_id, request) and not _changed(redis, project_id):
            round_request.set_pending(redis, project_id, before)
            return running.id
        if running:
            # Its units stop at once, and do not keep the new round waiting in the queue.
            redis.set(keys.wanted_round, "a new one")
        pending_work.request(redis, project_id, Work.ROUND)
        training = find(redis, project_id, Work.TRAINING, ALIVE)
        return _enqueue(
            redis,
            project_id,
            START,
            "start_round",
            (project_id, reason),
            {"train": train},
            after=[job for job in (training,) if job],
        )


def start_training(project_id: int) -> str:
    """What Label Studio's button "Start Training" asks for: a training, and then a round;
    returns the job's id."""
    return enqueue_round(project_id, "Start Training in Label Studio", train=True)


def _meets(redis: Redis, project_id: int, request: RoundRequest) -> bool:
    """Whether the round that looked last is the one that is asked for."""
    if request == RoundRequest():
        return True
    options = redis.hget(Keys(project_id).jobs, "snapshotted_options")
    return options is not None and request.met_by(**json.loads(options))


def _changed(redis: Redis, project_id: int) -> bool:
    """Whether labels or settings are others than when the last snapshot was taken."""
    keys = Keys(project_id)
    if pending_work.pending(redis, project_id, Work.TRAINING).outstanding:
        return True
    seen = as_text(redis.hget(keys.jobs, "snapshotted_setup") or "")
    return (ProjectInfo.load(redis, project_id).setup or "") != seen


def enqueue_rollback(project_id: int, version: str, *, reason: str = "asked for", who: str = "") -> str:
    """Put another version in use, back or forward, and its masks on show in Label Studio;
    returns the job's id.

    `who` asked for it, and why, is remembered (see `backend.store.version_history`).
    It does not wait for trainings and networks of rounds:
    a round that runs is superseded, and begins again with the version in use afterwards.
    The last request counts: another version that still waits for its turn is given up.
    Raises VersionError, naming the known ones, for a version that does not exist.
    """
    from backend.store.versions import Versions

    Versions(Storage.of(get_settings()), project_id).check(version)
    redis = connection()
    with lock(redis, project_id):
        last = find(redis, project_id, ROLLBACK, ALIVE)
        if last and last.args[1] == version:
            return last.id
        if last and last.get_status() in WAITING:
            redis.sadd(Keys(project_id).cancelled, last.id)
            with suppress(InvalidJobOperation):  # it has just begun
                last.cancel()
            last = None
        # On the queue of short jobs, so that annotators need not wait for a training to see better masks.
        arguments = (project_id, version, reason, who)
        return _enqueue(
            redis,
            project_id,
            ROLLBACK,
            "roll_back",
            arguments,
            on=CONTROL,
            after=[last] if last else [],
            at_front=True,
        )


def enqueue_unskip(project_id: int, tasks: Sequence[int] = ()) -> str:
    """Put skipped tasks back, those that nobody is waited for if none are named; returns the job's id."""
    redis = connection()
    with lock(redis, project_id):
        return _enqueue(
            redis, project_id, UNSKIP, "unskip", (project_id, list(tasks)), on=CONTROL, at_front=True
        )


def enqueue_export(project_id: int, mask_format: str) -> str:
    """Write all masks into a zip file for the status page; returns the job's id.

    On the queue of trainings, as it draws masks for minutes, but before what waits there. One at a time:
    raises RequestError (409) while one of another format waits or runs.
    """
    redis = connection()
    with lock(redis, project_id):
        alive = find(redis, project_id, EXPORT, ALIVE)
        arguments = (project_id, mask_format)
        if alive and tuple(alive.args or ()) != arguments:
            raise RequestError(
                f"An export as {alive.args[1]} waits or runs. Wait for its end, or stop it, then ask for"
                f" {mask_format}.",
                409,
            )
        return (
            alive.id
            if alive
            else _enqueue(redis, project_id, EXPORT, "export_masks", arguments, at_front=True)
        )


def _enqueue_once(project_id: int, work: Work, function: str) -> str:
    """Have short work done for a project, or let that be enough which waits or runs; returns the job's id."""
    redis = connection()
    with lock(redis, project_id):
        alive = find(redis, project_id, work, ALIVE)
        return alive.id if alive else _enqueue(redis, project_id, work, function, (project_id,), on=CONTROL)


def enqueue_configure(project_id: int) -> str:
    """Check and configure the project in Label Studio; returns the job's id."""
    return _enqueue_once(project_id, Work.CONFIGURE, "configure")


def enqueue_first_order(project_id: int) -> str:
    """Order the tasks of a project that has no order yet, by their looks alone; returns the job's id.

    Seconds of work, done beside the trainings of this and all other projects.
    """
    return _enqueue_once(project_id, Work.FIRST_ORDER, "write_first_order")


def enqueue_live_turn(project_id: int) -> str:
    """Learn from the labels and renew order and masks, in seconds; returns the job's id."""
    return _enqueue_once(project_id, Work.LIVE, "take_live_turn")


def enqueue_sync(project_id: int) -> str:
    """Look at the project in Label Studio: tasks, batch, configuration; returns the job's id."""
    return _enqueue_once(project_id, Work.SYNC, "look")


def enqueue_units(redis: Redis, project_id: int, round_name: str, units: list[str]) -> str:
    """The units of a round, each a job, and after all of them, done or failed, its end;
    returns the id of the job that ends it.

    Called again by a second run of the round's start, it finds what the first has enqueued.
    """
    keys = Keys(project_id)
    with lock(redis, project_id):
        known = as_text(redis.hget(keys.jobs, f"{FINISH}:{round_name}") or "")
        if known and fetch(redis, known):
            return known
        jobs = []
        for position, unit in enumerate(units):
            # the same at a second run: rq replaces a job of that id
            job_id = f"{UNIT}-{project_id}-{round_name.replace('.', '-')}-{position}"
            job = fetch(redis, job_id)
            if job is None or job.get_status() not in ALIVE:
                _enqueue(redis, project_id, UNIT, "run_unit", (project_id, round_name, unit), job_id=job_id)
                job = Job.fetch(job_id, connection=redis)
            jobs.append(job)
        finish = _enqueue(redis, project_id, FINISH, "finish_round", (project_id, round_name), after=jobs)
        redis.hset(keys.jobs, f"{FINISH}:{round_name}", finish)
        return finish


def _enqueue(
    redis: Redis,
    project_id: int,
    kind: str,
    function: str,
    arguments: tuple[Any, ...],
    keywords: dict[str, object] | None = None,
    *,
    on: str = COMPUTE,
    after: list[Job] | None = None,
    at_front: bool = False,
    job_id: str | None = None,
) -> str:
    """Enqueue a function of backend.jobs.entry_points by name, so that who enqueues need not import it (and
    torch)."""
    job_id = job_id or f"{kind}-{project_id}-{uuid.uuid4().hex[:12]}"
    named(on, redis).enqueue_call(
        f"backend.jobs.entry_points.{function}",
        args=arguments,
        kwargs=keywords or {},
        job_id=job_id,
        timeout=int(get_settings().job_hours * 3600),
        result_ttl=BRIEFLY_KEPT.get(kind, KEPT_SECONDS),
        failure_ttl=KEPT_SECONDS,
        depends_on=(
            Dependency(jobs=list(after), allow_failure=True) if after else None
        ),  # a plain dependent of a failed job never runs
        retry=Retry(max=RETRIES),
        at_front=at_front,
        meta={"project": project_id, "kind": str(kind)}
        | ({"round": arguments[1]} if kind in (UNIT, FINISH) else {}),
    )
    keys = Keys(project_id)
    if kind in (Work.TRAINING, START):
        pending_work.resume(redis, project_id)
    if kind in BRIEFLY_KEPT:  # the one before has ended
        redis.zrem(f"{keys.jobs}:all", redis.hget(keys.jobs, str(kind)) or "")
    if kind != UNIT:
        redis.hset(keys.jobs, str(kind), job_id)
    redis.zadd(f"{keys.jobs}:all", {job_id: time.time()})
    redis.zremrangebyscore(f"{keys.jobs}:all", 0, time.time() - KEPT_SECONDS)
    return job_id
