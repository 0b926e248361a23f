"""A project's versions for people to choose from, and how the one in use came to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backend.errors import VersionError
from backend.labelstudio.order.priorities import masks_wanted
from backend.queue import enqueue, progress
from backend.queue.connection import Keys, connection
from backend.queue.pending_work import Work
from backend.settings import get_settings
from backend.store.round_record import round_in_force
from backend.store.storage import Storage
from backend.store.version_history import ROLLBACK
from backend.store.versions import Versions


def list_versions(project_id: int) -> dict[str, Any]:
    """All versions of a project, oldest first, and which were in use when;
    JSON-ready, from the storage alone.

    {"project", "current": name | None, "rolled_back": whether a person chose it, "versions":
    [{"name", "current", "created", "labels": number of labelled tasks, "classes":
    [names], "held_out_dice", "seconds", "published", "reason", "warnings": [text], "damaged": text}], "uses":
    [{"version", "time", "by": "training" | "rollback", "who", "reason", "before"}] oldest first}.
    A version whose record cannot be read is listed with `damaged` and nothing else known.
    """
    found = Versions(Storage.of(get_settings()), project_id)
    uses = found.uses.all()
    current = uses[-1].version if uses else None
    return {
        "project": project_id,
        "current": current,
        "rolled_back": bool(uses) and uses[-1].by == ROLLBACK,
        "versions": [_shown(found, name, name == current) for name in found.names()],
        "uses": [use.to_dict() for use in uses],
    }


def _shown(found: Versions, name: str, current: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": name, "current": current, "damaged": ""}
    empty = ("created", "labels", "held_out_dice", "seconds", "published")
    try:
        record = found.record(name)
    except VersionError as error:
        return (
            shown
            | dict.fromkeys(empty)
            | {"classes": [], "reason": "", "warnings": [], "damaged": str(error)}
        )
    return shown | {
        "created": record.created,
        "labels": len(record.tasks),
        "classes": list(record.labels),
        "held_out_dice": record.held_out_dice,
        "seconds": record.seconds,
        "published": record.published,
        "reason": record.reason,
        "warnings": list(record.warnings),
    }


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback to a version would do, for people to confirm."""

    project: int
    nothing_to_do: bool  # the version is in use already
    to: dict[str, Any]  # an entry of `list_versions`
    before: dict[str, Any] | None  # that of the version in use, None where there is none
    round: str | None  # the order in force
    tasks: int  # how many open tasks it has
    masks: int  # how many of them show other masks at once
    stops_round: bool
    training: bool  # whether one runs


def plan_rollback(project_id: int, version: str) -> RollbackPlan:
    """What putting a version in use would do, from the storage and Redis alone.

    Raises VersionError, naming the known ones, for a version that does not exist or is damaged.
    """
    found = list_versions(project_id)
    Versions(Storage.of(get_settings()), project_id).check(version)
    by_name = {each["name"]: each for each in found["versions"]}
    if by_name[version]["damaged"]:
        raise VersionError(by_name[version]["damaged"])
    redis, keys = connection(), Keys(project_id)
    record = round_in_force(Storage.of(get_settings()), project_id)
    answered = {int(member) for member in redis.smembers(keys.labelled)}
    tasks = [task for task in record.order if task not in answered] if record else []
    kinds = {entry["kind"] for entry in progress.running(redis, project_id)}
    return RollbackPlan(
        project=project_id,
        nothing_to_do=found["current"] == version,
        to=by_name[version],
        before=by_name.get(found["current"]),
        round=record.round if record else None,
        tasks=len(tasks),
        masks=len(masks_wanted(tasks)),
        stops_round=enqueue.round_alive(redis, project_id),
        training=Work.TRAINING in kinds,
    )
