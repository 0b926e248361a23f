"""A live turn: what a label changes, seconds after it was submitted.

A pixel classifier learns all labels in a second. Where the strategy compares images by pixels, the order
is computed again; the masks of the next images are drawn by the better one of pixel classifier and U-Net.
Both are written only if they are others than those in force.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from backend import logs
from backend.jobs.pixel_training import train_on_pixels
from backend.jobs.renewal import next_round, read_places, renew_masks, renew_next
from backend.jobs.round import features, finish, next_places
from backend.jobs.round import start as rounds
from backend.jobs.round.phases import Phases
from backend.jobs.training import nothing_to_train_on
from backend.labelstudio.skips import read_skips
from backend.labelstudio.task_list import TaskList
from backend.project import missing_images
from backend.project.context import Context, Setup
from backend.project.labels.kept_labels import KeptLabels
from backend.project.labels.labels import read_labels
from backend.project.labels.review import review
from backend.project.live_quality import LiveQuality
from backend.project.missing_images import Lacks
from backend.queue import pending_work, project_jobs
from backend.queue.job_result import JobResult
from backend.queue.pending_work import Begun, Work
from backend.queue.progress import Progress
from backend.store.round_record import RoundRecord, round_in_force
from backend.store.version_record import VersionRecord

log = logging.getLogger(__name__)

REASON = "labels came"
"""Why a live turn computed an order."""


@dataclass(frozen=True)
class _Due:
    """What a turn has to do."""

    order: bool
    masks: bool
    listed: TaskList | None = None  # the tasks that the order is of


def take_turn(context: Context, progress: Progress, *, job_id: str) -> JobResult:
    """Learn from the labels, and renew order and masks where they change.
    The holder of the fences of rounds and syncs calls it. Safe to repeat.

    Returns {"version", "round", "reason"}: the version that has learnt the labels, the round that was written
    ("" if none was), and what was done.
    """
    processor = time.process_time()
    begun = pending_work.begin(context.redis, context.project_id, Work.LIVE)
    setup = context.setup()
    version, name, reason = None, "", "live updates are switched off in the project's settings"
    if setup.options.live:
        version, name, reason = _take_turn(context, setup, progress, job_id, begun)
    pending_work.finish(context.redis, context.project_id, Work.LIVE, begun)
    log.info("live turn: %s; %.1f s of processor time", reason, time.process_time() - processor)
    return {"version": version, "round": name, "reason": reason}


def _take_turn(
    context: Context, setup: Setup, progress: Progress, job_id: str, begun: Begun
) -> tuple[str | None, str, str]:
    phases, quality = Phases(), LiveQuality(context.storage, context.folder, setup.config)
    kept = KeptLabels.of(context, setup)
    labels = read_labels(context, setup, progress, quality.see, kept=kept)
    quality.save()
    kept.save()
    missing_images.remember(context, Lacks.TRAINING, labels.missing)
    notes = review(labels, setup.config)
    for subject, text in notes.items():
        context.note(subject, text)
    phases.end("labels")
    if nothing := nothing_to_train_on(labels, notes):
        return None, "", nothing
    learnt = train_on_pixels(context, setup, labels, progress, job_id=job_id)
    if learnt is None:
        return None, "", "the features of no labelled image can be computed"
    phases.end("classifier")
    progress.check()
    if project_jobs.round_computes(context.redis, context.project_id):
        return learnt.name, "", "a round is about to write an order; another turn follows it"
    record = round_in_force(context.storage, context.project_id)
    due = _due(context, setup, learnt, record)
    if due.order:
        occasion = rounds.Occasion(
            job_id, REASON, Work.LIVE, labels=labels, learnt=learnt.name, listed=due.listed, begun=begun
        )
        folder = rounds.begin_round(context, progress, occasion)
        logs.bind(round=folder.name)
        phases.end("snapshot")
        log.info("%s", phases)
        progress.checks.append(rounds.wanted(context, folder.name))
        after = finish.end_round(context, progress, folder.name)
        if after.round == folder.name:
            return learnt.name, after.round, "order and masks are written"
    elif due.masks and record is not None:
        name = _renew(context, progress, record)
        return learnt.name, name, "the masks are written, in the same order"
    return learnt.name, "", "order and masks are the same as before"


def _due(context: Context, setup: Setup, learnt: VersionRecord, record: RoundRecord | None) -> _Due:
    """Whether the order is to be computed again, and whether masks of another version are on show."""
    masks = record is not None and context.versions.current() != record.version
    if not rounds.compares_pixels(setup.options):
        return _Due(order=False, masks=masks)
    listed = context.list_tasks()
    left = listed.open
    if record is None:
        return _Due(features.are_there(context, setup, left.values()), masks=False, listed=listed)
    if (batch := record.asked_of(left)) and batch - read_skips(context.client, setup.project).done:
        return _Due(order=False, masks=masks)
    chosen = (setup.options.strategy, setup.options.budget)
    order = (
        record.learnt != learnt.name
        or not left.keys() <= set(record.order) - set(record.late)
        or (not record.cold_start and chosen != (record.strategy, record.budget))
    )
    return _Due(order and features.are_there(context, setup, left.values()), masks, listed)


def _renew(context: Context, progress: Progress, record: RoundRecord) -> str:
    """Have the version in use draw the masks in the order in force; returns the name of the round."""
    version = context.versions.current() or record.version
    name, reason = next_round(context, version), f"the masks of {version}"
    most, seconds = finish.LIVE_MASKS, finish.LIVE_SECONDS
    left = set(context.list_tasks().open)
    order = [task for task in record.order if task in left]
    if next_places.can_change(context, record, len(order)):
        context.redis.set(context.keys.wanted_round, name)
        renew_next(context, progress, record, order, version, name, reason, most=most, seconds=seconds)
    elif places := read_places(context, record, name):
        context.redis.set(context.keys.wanted_round, name)
        renew_masks(context, progress, record, places, version, name, reason, most=most, seconds=seconds)
    return name
