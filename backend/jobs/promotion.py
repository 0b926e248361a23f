"""Putting a version in use: one job at a time decides, and the web processes are told."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backend.errors import QueueError, VersionError
from backend.project.context import Context
from backend.queue.lease import SECONDS, Fence
from backend.queue.project_info import ProjectInfo
from backend.store.version_comparison import FEWER, decide, find_better
from backend.store.version_history import ROLLBACK, TRAINING
from backend.store.version_record import VersionRecord
from model.network.inference import Segmenter

log = logging.getLogger(__name__)

LONGEST = SECONDS + 60
"""Seconds to wait for another decision: it takes a moment, unless its worker was killed in it."""


@contextmanager
def deciding(context: Context) -> Iterator[Fence]:
    """Hold the choice of the version in use, so that a training that ends does not overwrite a rollback that
    it has not seen.

    Raises QueueError when another job holds it for very long.
    """
    fence = Fence(context.redis, context.keys.fence("version"))
    if not fence.take(wait=LONGEST):
        raise QueueError(
            f"Another job has been choosing the version of project {context.project_id} for {LONGEST:.0f} s;"
            " try again."
        )
    with fence:
        yield fence


def keep(
    context: Context, model: Segmenter, record: VersionRecord, *, measured: bool, check: Callable[[], None]
) -> VersionRecord:
    """Save a new version under the next name, and decide whether it is to be put in use; returns its record.

    The holder of `deciding` calls it. `check` is called before it is saved, and may raise.
    """
    record = dataclasses.replace(record, name=context.versions.next_name())
    published, reason = decide(record, context.versions, measured=measured)
    record = dataclasses.replace(record, published=published, reason=reason)
    check()
    context.versions.save(model, record)
    return record


def put_in_use(context: Context, record: VersionRecord, *, check: Callable[[], None]) -> VersionRecord:
    """Put a saved version in use if it is to be; returns its record with what was decided. Safe to repeat,
    also after it was rolled back.

    Whether it is to be was decided when it was saved, and is decided again where a person has chosen another
    one since the training began.

    Where the other kind of learner turns out better on the same images, its newest version is put in use.
    The holder of `deciding` calls it. `check` may raise.
    """
    versions, use = context.versions, context.versions.uses.current()
    if use is not None and use.by == ROLLBACK and use.time > record.created:
        measured = bool(record.folds) or len(record.tasks) < 2  # of one label nothing can be held out
        published, reason = decide(record, versions, measured=measured)
        record = dataclasses.replace(record, published=record.published and published, reason=reason)
    if record.published and record.name not in {use.version for use in versions.uses.all()}:
        versions.make_current(record.name, by=TRAINING, reason=record.reason, confirm=check)
        if use is not None and use.by != ROLLBACK and (rival := find_better(record, versions)):
            reason = f"better than the {record.kind.noun} {record.name} on the same images"
            versions.make_current(rival.name, by=TRAINING, reason=reason, confirm=check)
    current = versions.current_record()
    of_other_kind = current is not None and current.kind is not record.kind
    context.note("version", "" if of_other_kind else _about_version(record))
    cache_version(context)
    return record


def _about_version(record: VersionRecord) -> str:
    if not record.published:
        return f"Version {record.name} was trained but is not in use: {record.reason}."
    return f"Version {record.name} is in use: {record.reason}." if record.reason.startswith(FEWER) else ""


def cache_version(context: Context) -> None:
    """Tell the web processes which version is in use and how good it is, so that they need not look at the
    storage at every request."""
    name = context.versions.current() or ""
    dice, trained = None, 0
    try:
        if name:
            record = context.versions.record(name)
            dice, trained = record.held_out_dice, len(record.tasks)
    except VersionError as error:  # its folder is lost; the order in force is served nevertheless
        log.error("%s", error)
    known = ProjectInfo(version=name, held_out_dice=dice, trained=trained)
    known.save(context.redis, context.project_id, forget=("held_out_dice",) if dice is None else ())
