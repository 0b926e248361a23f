"""What happens by itself:
gathered events become jobs, each project is looked at every minute, and the night brings a fresh order."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

from redis import Redis
from redis.exceptions import RedisError
from rq.registry import clean_registries

from backend import logs
from backend.errors import BackendError, StorageError
from backend.labelstudio.connect.record import Record
from backend.project_settings import is_live
from backend.queue import enqueue, job_statistics, pending_work, project_jobs
from backend.queue.connection import COMPUTE, CONTROL, REMEMBERED, as_text, connection, named
from backend.queue.pending_work import Work
from backend.queue.project_info import ProjectInfo
from backend.settings import Settings, get_settings
from backend.store.storage import Storage

log = logging.getLogger(__name__)

_ALL = "all others"
"""Beside the ids in REMEMBERED: every project that is not among them has been looked up."""


def tick() -> None:
    """Have every project looked at: new tasks, finished batches, labels that no event told of;
    starts what is due."""
    redis = connection()
    for name in (CONTROL, COMPUTE):
        # Jobs whose worker was killed are run again, even if every other worker is busy.
        queue = named(name, redis)
        clean_registries(queue, [job_statistics.note_abandoned])
        project_jobs.enqueue_forgotten(queue)
    for project_id in pending_work.projects(redis):
        if not pending_work.pending(redis, project_id, Work.SYNC).outstanding:
            pending_work.request(redis, project_id, Work.SYNC)
    dispatch(redis, get_settings())
    told = {as_text(name) for name in redis.smembers(REMEMBERED)}
    try:  # those that are known have not waited for the storage
        if told != {_ALL}:
            remember_projects(redis, get_settings(), told - {_ALL})
    except (StorageError, OSError) as error:
        log.error("the projects of the storage cannot be listed: %s", error)


def remember_projects(redis: Redis, settings: Settings, only: Collection[str] = ()) -> None:
    """Projects that have models or rounds are looked at, even if Redis has lost everything;
    those that a person has disconnected are not.

    Of all projects, or of `only` some, by number. One whose record cannot be read is asked again at the next
    tick; the others do not wait for it. Raises StorageError when none can be listed.
    """
    storage = Storage.of(settings)
    names = sorted(only) or [name for name in storage.names("projects") if name.isdigit()]
    for name in names:
        try:
            if not Record(storage, int(name)).disconnected:
                pending_work.register(redis, int(name))
            redis.srem(REMEMBERED, name)
        except StorageError as error:
            redis.sadd(REMEMBERED, name)
            log.error("whether project %s is connected cannot be told: %s", name, error)
    if names:
        redis.sadd(REMEMBERED, _ALL)


def nightly() -> None:
    """A new round for every project in which something has changed since the last one,
    but for those where a person has cancelled what would start by itself."""
    redis = connection()
    for project_id in pending_work.projects(redis):
        with logs.bound(project=project_id):
            try:
                if ProjectInfo.load(redis, project_id).held:
                    log.info("no nightly round: a person has cancelled what would start by itself")
                elif reason := describe_changes(project_id):
                    enqueue.enqueue_round(project_id, f"nightly: {reason}")
                else:
                    log.info("no nightly round: nothing has changed, or a batch that was asked for holds")
            except (BackendError, RedisError) as error:
                log.error("no nightly round: %s", error)


def describe_changes(project_id: int) -> str:
    """What is new since the last round; empty if it would tell the same again, or if a batch that a person
    asked for is not labelled yet."""
    # Imported here: a tick is a new process each minute, and needs no torch.
    from backend.labelstudio.skips import read_skips
    from backend.project.context import open_context
    from backend.store.round_record import round_in_force
    from backend.store.versions import NO_VERSION

    context = open_context(project_id)
    record = round_in_force(context.storage, context.project_id)
    if record is None:
        return "there is no order yet"
    open_tasks = set(context.client.task_ids(context.project_id, "unlabelled"))
    if batch := record.asked_of(open_tasks):
        project = context.client.project(context.project_id)
        if batch - read_skips(context.client, project).done:
            return ""
    if pending_work.pending(context.redis, context.project_id, Work.TRAINING).outstanding:
        return "new labels"
    if (context.versions.current() or NO_VERSION) != record.version:
        return "a new model"
    if open_tasks - set(record.order):
        return "new tasks"
    if set(record.order) - open_tasks:  # also where the version that they brought was not good enough
        return "tasks that are labelled or gone"
    if record.learnt:  # a label's own turn reads no image again, and may have placed the next tasks alone
        return "labels since the last whole order"
    return ""


def dispatch(redis: Redis, settings: Settings) -> list[str]:
    """Turn what is wanted and due into jobs, at most one of each kind for a project; returns their ids."""
    started = []
    for project_id in pending_work.projects(redis):
        for work, start in _ENQUEUE.items():
            due = pending_work.pending(redis, project_id, work).due(work, settings, time.time())
            if due and work is Work.LIVE:
                due = _make_way(redis, project_id, settings)
            if due and not _has_its_share(redis, project_id, work):
                started.append(start(project_id))
    return started


def _make_way(redis: Redis, project_id: int, settings: Settings) -> bool:
    """Whether a live turn is to be taken: a sync ends for it, which may draw masks for minutes."""
    extra = ProjectInfo.load(redis, project_id).extra_params
    if not is_live(extra, settings.project_defaults):
        begun = pending_work.standing(redis, project_id, Work.LIVE)
        pending_work.finish(redis, project_id, Work.LIVE, begun)
        return False
    project_jobs.stop_sync(redis, project_id)
    return True


def _has_its_share(redis: Redis, project_id: int, work: Work) -> bool:
    """Whether such work must wait for a job of the same project.

    Short jobs come one after the other: there are few workers for them, and each job may wait for minutes
    for a server. What waits is no job yet, which could wait in vain for one that is lost.
    """
    if work in project_jobs.SHORT:
        return project_jobs.short_job_alive(redis, project_id)
    return project_jobs.active(redis, project_id, work)


def _train(project_id: int) -> str:
    return enqueue.enqueue_training(project_id, reason="new labels", only_new=True)


def _rank(project_id: int) -> str:
    reason = ProjectInfo.load(connection(), project_id).round_reason
    return enqueue.enqueue_round(project_id, reason or "again, after a failure")


_ENQUEUE = {
    Work.LIVE: enqueue.enqueue_live_turn,
    Work.FIRST_ORDER: enqueue.enqueue_first_order,
    Work.TRAINING: _train,
    Work.ROUND: _rank,
    Work.CONFIGURE: enqueue.enqueue_configure,
    Work.SYNC: enqueue.enqueue_sync,
}
