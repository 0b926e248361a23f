"""Putting another version in use, back or forward:
its masks take the place of those on show, and the order stays as it is.

Label Studio is switched first and the version just after, both only when everything is written and read back,
so that whatever fails before leaves the version and the masks as they were.
The round that it writes is a copy of the one in force under a new name.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.jobs.promotion import cache_version, deciding
from backend.jobs.renewal import next_round, read_places, renew_masks
from backend.labelstudio.order import priorities
from backend.project import skipped_tasks
from backend.project.context import Context
from backend.queue.job_result import JobResult
from backend.queue.progress import Progress
from backend.store.round_record import RoundRecord, number_of, round_in_force, round_names
from backend.store.shown_masks import DrawnMasks
from backend.store.version_history import HOLDS, ROLLBACK, describe_change
from backend.store.versions import now

log = logging.getLogger(__name__)

INTENT = "rollback.json"
"""In the folder of the round that a rollback writes; it reserves the round's name for all runs of the job."""


@dataclass(frozen=True)
class Request:
    """What a person asked for."""

    version: str
    reason: str
    who: str


def roll_back(context: Context, progress: Progress, request: Request, *, job_id: str) -> JobResult:
    """Put a version in use and its masks on show; the holder of the project's round fence calls it.
    Safe to repeat.

    Returns {"version", "before", "round", "tasks", "masks", "reason"}. Does nothing if the version is in use.
    Raises VersionError, CheckpointError for a version that is not there or damaged, StoppedError when it was
    cancelled; then nothing has changed.
    """
    if nothing_to_do(context, request, job_id):
        return nothing_done(context, request.version)
    name = _begun(context, job_id)
    context.versions.load(request.version)  # a damaged one must not be noticed half-way
    record = round_in_force(context.storage, context.project_id)
    if name is None or _is_newer(record, name):
        name = next_round(context, request.version)
        intent = {
            "job": job_id,
            "before": context.versions.current(),
            "time": now(),
            **dataclasses.asdict(request),
        }
        context.storage.write_json(f"{context.folder}/rounds/{name}/{INTENT}", intent)
    elif context.versions.current() == request.version:
        progress.too_late_to_stop()  # the earlier run was killed just before its end
    before = _intent(context, name).get("before")
    context.redis.set(context.keys.wanted_round, name)  # what still runs for another round stops
    progress.check()
    if DrawnMasks(context.storage, context.folder).was_shown(name):
        priorities.resume(context.client, context.project_id, name)
    places = read_places(context, record, name) if record else []
    shown: list[int] = []
    if record is not None and places:
        reason = describe_change(before, request.version)
        shown = renew_masks(
            context,
            progress,
            record,
            places,
            request.version,
            name,
            reason,
            lambda: _put_in_use(context, request),
        )
        text = _told(context, [place.task_id for place in places], shown)
    else:
        progress.too_late_to_stop()
        progress.check()
        _put_in_use(context, request)
        text = "there was no order in which to change masks"
    log.info("%s in use instead of %s, %s", request.version, before, text)
    text = f"{request.version} is in use instead of {before}; {text}; {HOLDS}"
    return {
        "version": request.version,
        "before": before,
        "round": name,
        "tasks": len(places),
        "masks": len(shown),
        "reason": text,
    }


def _told(context: Context, tasks: list[int], shown: list[int]) -> str:
    """What becomes of order and masks; of the images that the page calls left to label."""
    skipped = skipped_tasks.noted(context.redis, context.project_id).done
    left, masks = len(set(tasks) - skipped), len(set(shown) - skipped)
    text = f"the order stays, and {masks} of the {left} images that are left to label show its masks"
    return text if masks == left else f"{text}; on the others it draws none, or later"


def nothing_to_do(context: Context, request: Request, job_id: str) -> bool:
    """Whether the version is in use already, or was put in use by an earlier run and something newer has come
    since.

    Raises VersionError if there is no such version.
    """
    context.versions.check(request.version)
    current = context.versions.current()
    name = _begun(context, job_id)
    if name is None:
        return current == request.version
    begun = _intent(context, name).get("time", "")
    mine = any(
        use.by == ROLLBACK and use.version == request.version and use.time >= begun
        for use in context.versions.uses.all()
    )
    if mine and current != request.version:
        return True
    return current == request.version and _is_newer(round_in_force(context.storage, context.project_id), name)


def _is_newer(record: RoundRecord | None, name: str) -> bool:
    return record is not None and number_of(record.round) > number_of(name)


def nothing_done(context: Context, version: str) -> JobResult:
    """What `roll_back` returns where there is nothing to do."""
    current = context.versions.current()
    text = f"{version} is in use already; nothing was changed"
    if current != version:
        text = f"{current} was put in use after {version}, and stays; nothing more was changed"
    return {"version": version, "before": version, "round": "", "tasks": 0, "masks": 0, "reason": text}


def _put_in_use(context: Context, request: Request) -> None:
    with deciding(context):
        context.versions.make_current(request.version, by=ROLLBACK, who=request.who, reason=request.reason)
        cache_version(context)
    context.note("version", "")


def _begun(context: Context, job_id: str) -> str | None:
    """The round that an earlier run of this job has begun to write."""
    return next(
        (
            name
            for name in reversed(round_names(context.storage, context.project_id))
            if _intent(context, name).get("job") == job_id
        ),
        None,
    )


def _intent(context: Context, name: str) -> Mapping[str, Any]:
    """What a rollback noted before it began to write a round; empty for other rounds."""
    return context.storage.read_json(f"{context.folder}/rounds/{name}/{INTENT}") or {}
