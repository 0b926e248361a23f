"""A project's versions for people to choose from, and how the one in use came to be."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from backend.errors import VersionError
from backend.labelstudio.order.priorities import masks_wanted
from backend.queue import progress, project_jobs
from backend.queue.connection import Keys, connection
from backend.queue.pending_work import Work
from backend.settings import get_settings
from backend.store.round_record import round_in_force
from backend.store.storage import Storage
from backend.store.version_history import ROLLBACK, Use
from backend.store.versions import Versions


@dataclass(frozen=True)
class VersionEntry:
    """A version for people to choose; where its record cannot be read, `damaged` says why, and no more is
    known."""

    name: str
    current: bool = False
    damaged: str = ""
    kind: str | None = None  # "unet" or "pixel"
    created: str | None = None  # ISO 8601, UTC
    labels: int | None = None  # labelled tasks that it was trained on
    classes: tuple[str, ...] = ()
    held_out_dice: float | None = None  # in [0, 1]
    seconds: float | None = None  # of its training
    published: bool | None = None  # became current when it was made
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class VersionList:
    """All versions of a project, and which were in use when; both oldest first."""

    project: int
    current: str | None = None
    rolled_back: bool = False  # a person chose it
    versions: tuple[VersionEntry, ...] = ()
    uses: tuple[Use, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """JSON-ready: what `versions --json` gives."""
        return dataclasses.asdict(self)


def list_versions(project_id: int) -> VersionList:
    """All versions of a project, from the storage alone."""
    found = Versions(Storage.of(get_settings()), project_id)
    uses = found.uses.all()
    current = uses[-1].version if uses else None
    return VersionList(
        project=project_id,
        current=current,
        rolled_back=bool(uses) and uses[-1].by == ROLLBACK,
        versions=tuple(_entry(found, name, name == current) for name in found.names()),
        uses=tuple(uses),
    )


def _entry(found: Versions, name: str, current: bool) -> VersionEntry:
    try:
        record = found.record(name)
    except VersionError as error:
        return VersionEntry(name, current, str(error))
    return VersionEntry(
        name=name,
        current=current,
        kind=record.kind.value,
        created=record.created,
        labels=len(record.tasks),
        classes=record.labels,
        held_out_dice=record.held_out_dice,
        seconds=record.seconds,
        published=record.published,
        reason=record.reason,
        warnings=record.warnings,
    )


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback to a version would do, for people to confirm."""

    project: int
    nothing_to_do: bool  # the version is in use already
    to: VersionEntry
    before: VersionEntry | None  # the version in use, None where there is none
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
    by_name = {each.name: each for each in found.versions}
    if by_name[version].damaged:
        raise VersionError(by_name[version].damaged)
    redis, keys = connection(), Keys(project_id)
    record = round_in_force(Storage.of(get_settings()), project_id)
    answered = {int(member) for member in redis.smembers(keys.labelled)}
    tasks = [task for task in record.order if task not in answered] if record else []
    kinds = {entry["kind"] for entry in progress.running(redis, project_id)}
    return RollbackPlan(
        project=project_id,
        nothing_to_do=found.current == version,
        to=by_name[version],
        before=by_name.get(found.current or ""),
        round=record.round if record else None,
        tasks=len(tasks),
        masks=len(masks_wanted(tasks)),
        stops_round=project_jobs.round_alive(redis, project_id),
        training=Work.TRAINING in kinds,
    )
