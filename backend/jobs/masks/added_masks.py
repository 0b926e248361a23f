"""Masks and places that come after an order is in force: of tasks imported since, and of the next ones."""

from __future__ import annotations

import logging

import numpy as np

from backend.jobs.masks.predict_masks import draw, note_drawn
from backend.labelstudio.order import priorities
from backend.labelstudio.order.rounds import Priority
from backend.project.context import Context, Setup
from backend.project.explanation import explain
from backend.queue import pending_work
from backend.queue.pending_work import Work
from backend.queue.progress import Progress
from backend.store.round_record import RoundRecord
from backend.store.shown_masks import DrawnMasks
from backend.store.versions import NO_VERSION

log = logging.getLogger(__name__)

MASKS_A_SYNC = 50
"""Masks drawn in one sync at most, so that syncs of other projects come soon;
the rest follows in the next."""


def place_new(context: Context, setup: Setup, record: RoundRecord, progress: Progress) -> int:
    """Give tasks imported since the round a mask and a place:
    at random among those after the batch, as none has been compared yet.

    Returns how many there were.
    """
    new = priorities.unplaced(context.client, context.project_id)
    if not new:
        return 0
    batch = len(set(record.batch) & set(record.order))
    batch_ends = priorities.score_of(batch, record.tasks) if batch else 0.0
    drawn = draw(context, _version(context, record), setup.config, new[:MASKS_A_SYNC], progress)
    with_mask = drawn or {}
    version, hidden = _version(context, record), setup.unmasked.among(new)
    DrawnMasks(context.storage, context.folder).keep(record.round, version, with_mask, hidden)
    with_mask = setup.unmasked.hide(with_mask)
    entries = []
    for task in new:
        place = float(np.random.default_rng([record.seed, task]).uniform(batch_ends, 1.0))
        entries.append(Priority(task, min(max(place, 1e-6), 1 - 1e-6), with_mask.get(task)))
    report = priorities.add_provisional(context.client, context.project_id, entries)
    if drawn is not None:
        note_drawn(context, record.round, new[:MASKS_A_SYNC])
    log.info("%d new tasks have a provisional place, %d of them a mask", report.written, report.masks)
    return len(new)


def add_masks(context: Context, setup: Setup, record: RoundRecord, progress: Progress) -> int:
    """Draw the masks of the next tasks that have none yet, as annotators proceed;
    returns how many were missing."""
    version = _version(context, record)
    if version == NO_VERSION:
        return 0
    drawn = {int(member) for member in context.redis.smembers(context.keys.drawn(record.round))}
    unmasked = priorities.unmasked(context.client, context.project_id, drawn=drawn)
    if not unmasked:
        return 0
    now = unmasked[:MASKS_A_SYNC]
    regions = draw(context, version, setup.config, now, progress)
    if regions is None:  # the next sync tries again
        return len(unmasked)
    hidden = setup.unmasked.among(now)
    DrawnMasks(context.storage, context.folder).keep(record.round, version, regions, hidden)
    shown = explain(setup.unmasked.hide(regions), record, context.task_names)
    added = priorities.top_up(context.client, context.project_id, shown)
    note_drawn(context, record.round, now)
    log.info("%d masks added, %d to go", added, len(unmasked) - len(now))
    if len(unmasked) > len(now):
        pending_work.request(context.redis, context.project_id, Work.SYNC)
    return len(unmasked)


def _version(context: Context, record: RoundRecord) -> str:
    """The version that draws masks: the one in use now; the round's while there is none."""
    return context.versions.current() or str(record.version)
