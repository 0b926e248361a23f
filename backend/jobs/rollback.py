"""Putting another version in use, back or forward:
its masks take the place of those on show, and the order stays as it is.

Label Studio is switched first and the version just after, both only when everything is written and read back,
so that whatever fails before leaves the version and the masks as they were.
The round that it writes is a copy of the one in force under a new name.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from backend.errors import BackendError, FenceLostError, LabelStudioError
from backend.jobs.masks.predict_masks import draw, note_drawn
from backend.jobs.masks.refit import drawn_for
from backend.jobs.promotion import cache_version, deciding
from backend.jobs.round.finish import tell_round
from backend.jobs.round.preparation import prepare
from backend.labelstudio.order import priorities
from backend.labelstudio.order.rounds import Priority
from backend.project.context import Context
from backend.project.explanation import explain
from backend.queue.job_result import JobResult
from backend.queue.progress import Progress
from backend.store.round_record import RoundRecord, number_of, put_in_force, round_in_force, round_names
from backend.store.shown_masks import DrawnMasks
from backend.store.version_history import ROLLBACK, describe_change
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
        return in_use_already(request.version)
    name = _begun(context, job_id)
    context.versions.load(request.version)  # a damaged one must not be noticed half-way
    record = round_in_force(context.storage, context.project_id)
    if name is None:
        number = (
            max((number_of(each) for each in round_names(context.storage, context.project_id)), default=0) + 1
        )
        name = f"{request.version}.r{number}"
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
    places = _places(context, record, name) if record else []
    masks = 0
    if record is not None and places:
        masks = _write(context, progress, request, name, record, places, before)
        text = (
            f"the {len(places)} images that are left to label stay in the same order,"
            f" {masks} of them show its masks"
        )
    else:
        progress.too_late_to_stop()
        progress.check()
        _put_in_use(context, request)
        text = "there was no order in which to change masks"
    log.info("%s in use instead of %s, %s", request.version, before, text)
    text = f"{request.version} is in use instead of {before}; {text}"
    return {
        "version": request.version,
        "before": before,
        "round": name,
        "tasks": len(places),
        "masks": masks,
        "reason": text,
    }


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
    record = round_in_force(context.storage, context.project_id)
    return (mine and current != request.version) or (
        record is not None and number_of(record.round) > number_of(name)
    )


def in_use_already(version: str) -> JobResult:
    """What `roll_back` returns where there is nothing to do."""
    text = f"{version} is in use already; nothing was changed"
    return {"version": version, "before": version, "round": "", "tasks": 0, "masks": 0, "reason": text}


def _write(
    context: Context,
    progress: Progress,
    request: Request,
    name: str,
    record: RoundRecord,
    places: list[Priority],
    before: str | None,
) -> int:
    """Draw the masks and put them in force; returns how many tasks show one.
    What fails before the switch is taken back."""
    started = time.monotonic()
    to_draw = priorities.masks_wanted([place.task_id for place in places])
    config = context.setup().config
    regions = draw(context, request.version, config, to_draw, progress)
    shown = [task for task in to_draw if regions.get(task)]
    note_drawn(context, name, to_draw)
    prepare(context, name, request.version, config, [place.task_id for place in places], regions, progress)
    switched = False

    def checkpoint(step: str) -> None:
        nonlocal switched
        log.info("%s: %s", name, step)
        progress.check()
        if step == "writing":
            return
        progress.too_late_to_stop()  # the switch and what follows belong together
        if step == "imported":
            DrawnMasks(context.storage, context.folder).show(name)
        if step != "switched":
            return
        _put_in_use(context, request)
        switched = True
        after = dataclasses.replace(
            record,
            round=name,
            version=request.version,
            drawn_for=drawn_for(config),
            time=now(),
            reason=describe_change(before, request.version),
            order_of=record.origin,
            masks=len(shown),
            answered=[],
            seconds=round(time.monotonic() - started, 1),
        )
        after.save(context.storage, context.project_id)
        put_in_force(context.storage, context.project_id, name)
        tell_round(context, after)

    progress("Writing the masks", 0, 1)
    shown_regions = explain(regions, record)
    entries = [Priority(place.task_id, place.score, shown_regions.get(place.task_id)) for place in places]
    try:
        progress.check()
        priorities.write_order(context.client, context.project_id, name, entries, checkpoint=checkpoint)
    except FenceLostError:
        raise  # what is there belongs to the run that took over
    except BackendError:
        if not switched:
            with suppress(
                LabelStudioError
            ):  # away: the sync brings the order in force back as soon as it is there again
                _take_back(context, name, str(record.round))
        raise
    return len(shown)


def _take_back(context: Context, name: str, in_force: str) -> None:
    """Have the order in force served again;
    what was written stays for a day, as somebody may have opened it meanwhile."""
    if context.client.project(context.project_id).model_version == name:
        context.client.switch_version(context.project_id, in_force)


def _put_in_use(context: Context, request: Request) -> None:
    with deciding(context):
        context.versions.make_current(request.version, by=ROLLBACK, who=request.who, reason=request.reason)
        cache_version(context)
    context.note("version", "")


def _places(context: Context, record: RoundRecord, name: str) -> list[Priority]:
    """The open tasks and their scores:
    as Label Studio serves them now, or as the record says where it serves something else."""
    if context.client.project(context.project_id).model_version in (record.round, name):
        return [
            Priority(place.task_id, place.score)
            for place in priorities.order(context.client, context.project_id)
        ]
    still = set(context.client.task_ids(context.project_id, "unlabelled"))
    count = len(record.order)
    return [
        Priority(task, priorities.score_of(rank, count))
        for rank, task in enumerate(record.order, start=1)
        if task in still
    ]


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
