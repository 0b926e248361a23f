"""The look at a project in Label Studio, each minute and after events: what has changed there, and what is to be done about it."""

from __future__ import annotations

import json
import logging
from typing import Any

import numpy as np

from backend.errors import UnknownProjectError
from backend.jobs import events, queue
from backend.jobs.connection import as_text
from backend.jobs.context import Context, Setup
from backend.jobs.events import Work
from backend.jobs.progress import Progress
from backend.jobs.records import current_record
from backend.jobs.round import draw
from backend.jobs.training import announce
from backend.labelstudio import priorities
from backend.labelstudio.priorities import Priority
from backend.settings import FEWEST_LABELS_TO_RANK
from backend.versions import NO_VERSION

log = logging.getLogger(__name__)

MASKS_A_LOOK = 50
"""Masks drawn in one look at most, so that looks at other projects come soon; the rest follows in the next."""


def look(context: Context, progress: Progress) -> None:
    """Compare the project with what is known of it, and start what is due; writes only what is missing, so events it causes end there."""
    try:
        setup = context.setup()
    except UnknownProjectError as error:
        log.warning("project %d is gone from Label Studio; it is not looked at any more: %s", context.project_id, error)
        events.forget(context.redis, context.project_id)
        return
    context.note("config", " ".join(setup.config.warnings))
    announce(context)
    _look_at_labels(context, setup)
    record = current_record(context)
    if record is None:
        _want_round(context, "the first order")
        return
    open_tasks = context.client.task_ids(context.project_id, "unlabelled")
    if record["cold_start"] and _has_enough(context):
        _want_round(context, "there are enough labels to compare images")
    elif record["batch"] and not set(record["batch"]) & set(open_tasks) and open_tasks:
        _want_round(context, "the batch is finished")
    if not open_tasks or queue.active(context.redis, context.project_id, Work.ROUND):
        return  # a round that runs takes in new tasks at its end
    _keep_in_force(context, setup, record)
    _place_new(context, setup, record, progress)
    _add_masks(context, setup, record, progress)


def _look_at_labels(context: Context, setup: Setup) -> None:
    """Want a training for labels that no event told of (the service was away), and for other labels in the configuration."""
    if events.pending(context.redis, context.project_id, Work.TRAINING).outstanding:
        return
    count, seen = (as_text(value or b"") for value in context.redis.hmget(context.keys.info, ["trained_count", "trained_labels"]))
    labelled = context.client.count(context.project_id, "labelled")
    if labelled != int(count or 0):
        log.info("project %d: %d labelled tasks, %s at the last training", context.project_id, labelled, count or 0)
        events.want(context.redis, context.project_id, Work.TRAINING, labels=abs(labelled - int(count or 0)))
    elif seen and labelled and json.loads(seen) != list(setup.config.labels):
        log.info("project %d: the labels are now %s", context.project_id, ", ".join(setup.config.labels))
        events.want(context.redis, context.project_id, Work.TRAINING)


def _has_enough(context: Context) -> bool:
    """Whether the model in use has seen enough labels for its pseudo-labels to be compared."""
    record = context.versions.current_record()
    return record is not None and len(record.tasks) >= FEWEST_LABELS_TO_RANK


def _want_round(context: Context, reason: str) -> None:
    pending = events.pending(context.redis, context.project_id, Work.ROUND)
    if not pending.outstanding and not queue.active(context.redis, context.project_id, Work.ROUND):
        log.info("project %d: a new round: %s", context.project_id, reason)
        context.redis.hset(context.keys.info, "round_reason", reason)
        events.want(context.redis, context.project_id, Work.ROUND)


def _keep_in_force(context: Context, setup: Setup, record: dict[str, Any]) -> None:
    """Connecting a backend, or a person, may have set another version; then the order is not served."""
    if setup.project.model_version == record["round"]:
        return
    if context.client.versions(context.project_id).get(record["round"]):
        log.info("project %d: %r back to %s", context.project_id, setup.project.model_version, record["round"])
        context.client.switch_version(context.project_id, record["round"])
    else:
        _want_round(context, f"the order {record['round']} is not in Label Studio any more")


def _place_new(context: Context, setup: Setup, record: dict[str, Any], progress: Progress) -> None:
    """Give tasks imported since the round a mask and a place: at random among those after the batch, as none has been compared yet."""
    new = priorities.unplaced(context.client, context.project_id)
    if not new:
        return
    batch_ends = priorities.score_of(min(len(record["batch"]), record["tasks"]), max(record["tasks"], 1)) if record["batch"] else 0.0
    with_mask = draw(context, _version(context, record), setup.config, new[:MASKS_A_LOOK], progress)
    entries = []
    for task in new:
        place = float(np.random.default_rng([record["seed"], task]).uniform(batch_ends, 1.0))
        entries.append(Priority(task, min(max(place, 1e-6), 1 - 1e-6), with_mask.get(task)))
    report = priorities.add_provisional(context.client, context.project_id, entries)
    log.info("project %d: %d new tasks have a provisional place, %d of them a mask", context.project_id, report.written, report.masks)


def _add_masks(context: Context, setup: Setup, record: dict[str, Any], progress: Progress) -> None:
    """Draw the masks of the next tasks that have none yet, as annotators proceed."""
    version = _version(context, record)
    missing = priorities.unmasked(context.client, context.project_id) if version != NO_VERSION else []
    undrawable = {int(task) for task in record["unreadable"]}
    missing = [task for task in missing if task not in undrawable]
    if not missing:
        return
    added = priorities.top_up(context.client, context.project_id, draw(context, version, setup.config, missing[:MASKS_A_LOOK], progress))
    log.info("project %d: %d masks added, %d to go", context.project_id, added, len(missing) - added)
    if added and len(missing) > MASKS_A_LOOK:
        events.want(context.redis, context.project_id, Work.LOOK)


def _version(context: Context, record: dict[str, Any]) -> str:
    """The version that draws masks: the one in use now; the round's while there is none."""
    return context.versions.current() or str(record["version"])
