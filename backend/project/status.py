"""Reads what a project's administrator wants to know."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from redis import Redis

from backend.errors import StorageError, VersionError
from backend.labelstudio.connect.record import Record
from backend.project import live_quality, skipped_tasks
from backend.project.explanation import image_of
from backend.project.next_masks import NextMasks
from backend.project.project_status import (
    Defaults,
    Images,
    Labels,
    LastError,
    NextTask,
    ProjectStatus,
    RoundInForce,
    Running,
    VersionInUse,
)
from backend.project.skipped_tasks import Skipped
from backend.project.time_spent import compare_with_none
from backend.project_settings import ProjectSettings, known_project_settings
from backend.queue import follow, pending_work, progress, project_jobs
from backend.queue.connection import Keys, as_text, connection, find_problems
from backend.queue.heartbeats import alive
from backend.queue.pending_work import Work
from backend.queue.project_info import ProjectInfo
from backend.queue.task_names import name_tasks, read_names
from backend.settings import get_settings
from backend.store.learning_trend import LearningTrend, judge_trend
from backend.store.round_record import Place, RoundRecord, round_in_force
from backend.store.storage import Storage
from backend.store.version_comparison import describe_choice
from backend.store.version_record import Learner
from backend.store.versions import Versions
from model.reason import Measure

NEXT_TASKS = 10
_DISCONNECTED = (
    "This project is disconnected: Label Studio serves its images without an order of this service, and"
    " labels are not learnt. To connect it again: python -m backend connect --project {project}"
)
T = TypeVar("T")


def read_status(project_id: int) -> ProjectStatus:
    """The state of a project, from Redis and the storage alone, so that it is there when Label Studio is
    not."""
    redis = connection()
    keys = Keys(project_id)
    storage = Storage.of(get_settings())
    info = ProjectInfo.load(redis, project_id)
    warnings = [as_text(text) for _, text in sorted(redis.hgetall(keys.notes).items())]
    damages: list[str] = []
    version = _readable(lambda: _version(storage, project_id), damages)
    record = _readable(lambda: round_in_force(storage, project_id), damages)
    if not (version or record or damages):
        damages += _gone(storage, project_id, info)
    learning = _readable(lambda: _learning(redis, storage, project_id), []) if version else None
    options = known_project_settings(info.extra_params, get_settings().project_defaults)
    labelled = info.labelled or 0
    pending = pending_work.pending(redis, project_id, Work.TRAINING)
    answered = {int(member) for member in redis.smembers(keys.labelled)}
    skips = skipped_tasks.noted(redis, project_id)
    programs = alive(redis)
    missing = programs.missing()
    disconnected = Record(storage, project_id).disconnected
    return ProjectStatus(
        project=project_id,
        title=info.title or f"Project {project_id}",
        images=Images(info.tasks, labelled),
        defaults=Defaults(options.budget, options.strategy, options.unmasked_share),
        time_saved=_readable(lambda: _time_saved(storage, project_id, options), []) or "",
        version=version,
        learning=learning,
        labels=Labels(
            trained=version.labels if version else 0,
            waiting=max(0, pending.labels) if pending.outstanding else 0,
            changed=pending.outstanding and labelled <= (info.trained_count or 0),
        ),
        held=info.held,
        live=options.orders_live,
        # What the U-Net in use took; without one, what was measured with the first order.
        training_seconds=(
            version.seconds
            if version and version.seconds and version.kind == Learner.UNET
            else info.training_estimate
        ),
        round=_round(record) if record else None,
        next_tasks=_next_tasks(redis, project_id, record, answered | skips.done, skips) if record else (),
        undrawn=(
            NextMasks(redis, project_id, record).count_undrawn(set(record.order) - answered - skips.done)
            if record
            else 0
        ),
        skipped=skips,
        running=_running(redis, project_id),
        waiting=tuple(project_jobs.waiting(redis, project_id)),
        last_error=_last_error(redis, project_id),
        stalled=bool(missing),
        disconnected=disconnected,
        warnings=(
            *([_DISCONNECTED.format(project=project_id)] if disconnected else []),
            *name_tasks(redis, project_id, [*warnings, *damages]),
            *find_problems(redis),
            *missing,
            *programs.wrong_clocks().values(),
        ),
    )


def _learning(redis: Redis, storage: Storage, project_id: int) -> LearningTrend | None:
    """Whether the model gets better, with the names of the labels that may have spoilt it."""
    found = judge_trend(Versions(storage, project_id))
    if found is None or not found.suspects:
        return found
    names = read_names(redis, project_id, [each.task for each in found.suspects])
    return replace(
        found, suspects=tuple(replace(each, name=names.get(each.task, "")) for each in found.suspects)
    )


def _time_saved(storage: Storage, project_id: int, options: ProjectSettings) -> str:
    if not options.unmasked_share:
        return ""
    return compare_with_none(live_quality.read(storage, f"projects/{project_id}"))


def _gone(storage: Storage, project_id: int, info: ProjectInfo) -> list[str]:
    """A warning where Redis knows of a version or an order, and the storage of nothing at all."""
    told = [name for name in (info.version, info.round) if name]
    if not told:
        return []
    return [
        f"{' and '.join(told)} of this project were in use, and nothing of them is in"
        f" {storage.path(f'projects/{project_id}')}. Correct MODEL_DIR or STORAGE_URL, or bring the folder"
        " back from a backup. The labels are in Label Studio: otherwise the next training begins with v1."
    ]


def _readable(read: Callable[[], T | None], warnings: list[str]) -> T | None:
    """What `read` returns;
    None with a warning where the file is damaged or gone, as the rest can be told nevertheless."""
    try:
        return read()
    except (StorageError, VersionError) as error:
        warnings.append(str(error))
        return None


def _version(storage: Storage, project_id: int) -> VersionInUse | None:
    versions = Versions(storage, project_id)
    record = versions.current_record()
    if record is None:
        return None
    return VersionInUse(
        name=record.name,
        labels=len(record.tasks),
        held_out_dice=record.held_out_dice,
        created=record.created,
        reason=record.reason,
        seconds=record.seconds,
        kind=record.kind.value,
        choice=describe_choice(versions),
    )


def _round(record: RoundRecord) -> RoundInForce:
    return RoundInForce(
        name=record.round,
        time=record.time,
        reason=record.reason,
        strategy=record.strategy,
        budget=record.budget,
        cold_start=record.cold_start,
        message=record.message,
        tasks=record.tasks,
        version=record.version,
        seconds=record.seconds,
        order_of=record.order_of,
        value=record.notes.get("value"),
        upper_bound=record.notes.get("upper_bound"),
        measure=Measure.of_notes(record.notes),
    )


def _next_tasks(
    redis: Redis, project_id: int, record: RoundRecord, done: set[int], skips: Skipped
) -> tuple[NextTask, ...]:
    """The first tasks of the round's order that are neither labelled nor `done` with otherwise."""
    order = record.order
    found = [(rank, task) for rank, task in enumerate(order, start=1) if task not in done][:NEXT_TASKS]
    places = {task: record.queries.get(task, Place()) for _, task in found}
    helped = {task: image_of(place.reason) for task, place in places.items()}
    names = read_names(redis, project_id, {*places, *filter(None, helped.values())})
    return tuple(
        NextTask(
            task=task,
            rank=rank,
            score=rank / (len(order) + 1),
            in_batch=task in record.batch,
            reason=places[task].reason,
            helps=places[task].helps,
            served_to=skips.partly.get(task),
            name=names.get(task, ""),
            helped=names.get(helped[task], ""),
        )
        for rank, task in found
    )


def _running(redis: Redis, project_id: int) -> Running | None:
    """The job to show: a rollback before a training before a round;
    a round whose networks are trained by several workers as one."""
    name, rows_done, rows_total, rows_left = follow.rows(redis, project_id)
    order = {
        project_jobs.ROLLBACK: 0,
        Work.FIRST_ORDER: 0,
        Work.LIVE: 0,
        Work.TRAINING: 1,
        project_jobs.START: 2,
        project_jobs.FINISH: 3,
        project_jobs.UNIT: 4,
        project_jobs.EXPORT: 5,
    }
    entries = [entry for entry in progress.running(redis, project_id) if entry["kind"] in order]
    if not entries:
        return None
    first = min(entries, key=lambda entry: order[entry["kind"]])
    running = Running(
        job=first["job"],
        kind=first["kind"],
        step=first.get("step"),
        done=first.get("done"),
        total=first.get("total"),
        seconds_left=first.get("seconds_left"),
    )
    if running.kind == project_jobs.ROLLBACK and (job := project_jobs.fetch(redis, running.job)):
        running = replace(running, version=job.args[1])
    if running.kind in (project_jobs.FINISH, project_jobs.UNIT):
        running = replace(running, rows_done=rows_done, rows_total=rows_total, round=name)
    if running.kind == project_jobs.UNIT:
        running = replace(
            running,
            kind="round",
            step="Networks trained",
            done=rows_done,
            total=rows_total,
            seconds_left=rows_left,
        )
    return running


def _last_error(redis: Redis, project_id: int) -> LastError | None:
    last = max(last_errors(redis, project_id).values(), key=lambda error: error.time, default=None)
    return replace(last, message=name_tasks(redis, project_id, [last.message])[0]) if last else None


def last_errors(redis: Redis, project_id: int) -> dict[str, LastError]:
    """By kind of job the last error; the next success of that kind removes it."""
    found = redis.hgetall(Keys(project_id).errors).items()
    return {as_text(kind): LastError(**json.loads(value)) for kind, value in found}
