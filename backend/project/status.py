"""What a project's administrator wants to know, in one object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from backend.errors import SettingsError, StorageError, VersionError
from backend.project import skipped_tasks
from backend.project.skipped_tasks import Skipped
from backend.queue import enqueue, follow, pending_work, progress
from backend.queue.connection import Keys, as_text, connection, find_problems
from backend.queue.heartbeats import alive
from backend.queue.pending_work import Work
from backend.queue.project_info import ProjectInfo
from backend.settings import ProjectSettings, get_settings, parse_project_settings
from backend.store.round_record import Place, RoundRecord, round_in_force
from backend.store.storage import Storage
from backend.store.versions import Versions
from model.reason import describe_reason

NEXT_TASKS = 10
T = TypeVar("T")


def read_status(project_id: int) -> dict[str, Any]:
    """The state of a project, JSON-ready, from Redis and the storage alone, so that it is there when Label
    Studio is not.

    {"project", "title", "images": {"all": number | None, "labelled"}, "defaults":
    {"budget", "strategy"} of a recompute, "version":
    {"name", "held_out_dice", "labels", "created", "reason"} | None, "labels":
    {"trained", "waiting", "changed":
    whether a training is wanted though no more tasks are labelled than at the last}, "held":
    whether a person cancelled, "training_seconds":
    number | None that a training takes here, as far as is known, "round":
    {"name", "time", "reason", "strategy", "budget", "cold_start", "message", "tasks", "version", "seconds",
    "order_of": the round whose order it is, after a rollback} | None, "next_tasks":
    [{"task", "rank", "score", "in_batch", "reason", "helps": [tasks], "served_to":
    number of people who have not skipped it, None if nobody has}], "skipped": {"count", "tasks":
    the first ids, "queue":
    Label Studio's setting, "people"} of skipped tasks that nobody is waited for, "running":
    {"job", "kind", "step", "done", "total", "rows_done", "rows_total", "seconds_left", "version":
    that is put in use by a rollback} | None, "waiting": [job kinds], "last_error":
    {"job", "kind", "message", "time"} | None, "stalled":
    whether programs that do the work are missing, "warnings": [text]}.
    """
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
    options = _options(info.extra_params)
    labelled = info.labelled or 0
    pending = pending_work.pending(redis, project_id, Work.TRAINING)
    answered = {int(member) for member in redis.smembers(keys.labelled)}
    skips = skipped_tasks.noted(redis, project_id)
    missing = alive(redis).missing()
    shown = (
        "time",
        "reason",
        "strategy",
        "budget",
        "cold_start",
        "message",
        "tasks",
        "version",
        "seconds",
        "order_of",
    )
    return {
        "project": project_id,
        "title": info.title or f"Project {project_id}",
        "images": {"all": info.tasks, "labelled": labelled},
        "defaults": {"budget": options.budget, "strategy": options.strategy},
        "version": version,
        "labels": {
            "trained": version["labels"] if version else 0,
            "waiting": max(0, pending.labels) if pending.outstanding else 0,
            "changed": pending.outstanding and labelled <= (info.trained_count or 0),
        },
        "held": info.held,
        "training_seconds": _training_seconds(version, info),
        "round": {"name": record.round} | {name: getattr(record, name) for name in shown} if record else None,
        "next_tasks": _next_tasks(record, answered | skips.done, skips) if record else [],
        "skipped": skips.to_dict(),
        "running": _running(redis, project_id),
        "waiting": enqueue.waiting(redis, project_id),
        "last_error": max(
            last_errors(redis, project_id).values(), key=lambda error: error["time"], default=None
        ),
        "stalled": bool(missing),
        "warnings": warnings + damages + find_problems(redis) + missing,
    }


def _options(extra: str | None) -> ProjectSettings:
    try:
        return parse_project_settings(extra, get_settings().project_defaults)
    except SettingsError:  # said by /setup
        return parse_project_settings(None)


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


def _version(storage: Storage, project_id: int) -> dict[str, Any] | None:
    record = Versions(storage, project_id).current_record()
    if record is None:
        return None
    shown = ("held_out_dice", "created", "reason", "seconds")
    return {"name": record.name, "labels": len(record.tasks)} | {
        name: getattr(record, name) for name in shown
    }


def _training_seconds(version: Mapping[str, Any] | None, info: ProjectInfo) -> float | None:
    """What the version in use took; before the first, what was measured with the first order."""
    if version and version["seconds"]:
        return float(version["seconds"])
    return info.training_estimate


def _next_tasks(record: RoundRecord, done: set[int], skips: Skipped) -> list[dict[str, Any]]:
    """The first tasks of the round's order that are neither labelled nor `done` with otherwise."""
    order = record.order
    found = [(rank, task) for rank, task in enumerate(order, start=1) if task not in done][:NEXT_TASKS]
    queries = {task: record.queries.get(task, Place()) for _, task in found}
    return [
        {
            "task": task,
            "rank": rank,
            "score": rank / (len(order) + 1),
            "in_batch": task in record.batch,
            "reason": describe_reason(queries[task].reason, "task"),
            "helps": list(queries[task].helps),
            "served_to": skips.partly.get(task),
        }
        for rank, task in found
    ]


def _running(redis: Any, project_id: int) -> dict[str, Any] | None:
    """The job to show: a rollback before a training before a round;
    a round whose networks are trained by several workers as one."""
    entries = progress.running(redis, project_id)
    name, rows_done, rows_total, rows_left = follow.rows(redis, project_id)
    order = {
        enqueue.ROLLBACK: 0,
        Work.FIRST_ORDER: 0,
        Work.TRAINING: 1,
        enqueue.START: 2,
        enqueue.FINISH: 3,
        enqueue.UNIT: 4,
    }
    entries = sorted(
        (entry for entry in entries if entry["kind"] in order), key=lambda entry: order[entry["kind"]]
    )
    if not entries:
        return None
    first = entries[0]
    shown: dict[str, Any] = {
        key: first.get(key) for key in ("job", "kind", "step", "done", "total", "seconds_left")
    }
    in_round = first["kind"] in (enqueue.FINISH, enqueue.UNIT)
    if first["kind"] == enqueue.ROLLBACK and (job := enqueue.fetch(redis, first["job"])):
        shown["version"] = job.args[1]
    shown |= {"rows_done": rows_done if in_round else 0, "rows_total": rows_total if in_round else 0}
    if first["kind"] == enqueue.UNIT:
        shown |= {
            "kind": "round",
            "step": "Networks trained",
            "done": rows_done,
            "total": rows_total,
            "seconds_left": rows_left,
        }
    return shown | {"round": name if in_round else ""}


def last_errors(redis: Any, project_id: int) -> dict[str, dict[str, Any]]:
    """By kind of job the last error, {"job", "kind", "message", "time"};
    the next success of that kind removes it."""
    return {
        as_text(kind): json.loads(value) for kind, value in redis.hgetall(Keys(project_id).errors).items()
    }
