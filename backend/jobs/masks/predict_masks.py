"""The masks of a version on tasks, as Label Studio shows them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing

from backend.cores import each_on_a_core
from backend.errors import TaskImageError, VersionError
from backend.jobs.masks.pre_annotation import PreAnnotator
from backend.labelstudio.http.answers import Region, Task
from backend.labelstudio.labels.config import LabelConfig
from backend.project import missing_images
from backend.project.context import Context
from backend.project.task_data import TaskImages
from backend.queue.connection import KEPT_SECONDS
from backend.store.versions import NO_VERSION
from model.errors import ModelError

log = logging.getLogger(__name__)

AT_LEAST = 3
"""Masks that are drawn before an order is put in force, however long it takes."""


def draw(
    context: Context,
    version: str,
    config: LabelConfig,
    task_ids: list[int],
    progress: Callable[[str, int, int], None],
    *,
    tasks: Mapping[int, Task] | None = None,
    seconds: float | None = None,
) -> dict[int, list[Region]] | None:
    """The masks of a version on some tasks, by task id;
    tasks that are gone or cannot be read are left out, with a log line.
    None where nothing could be tried, as there is no version or it cannot be read for now.

    `tasks` are those at hand, by id; others are asked of Label Studio.
    After so many `seconds`, and AT_LEAST masks, the others are left out too: somebody waits for these.
    """
    if not task_ids:
        return {}
    if version == NO_VERSION:
        return None
    try:
        annotator = PreAnnotator(
            context.versions.load(version), context.versions.record(version).labels, config
        )
    except VersionError as error:
        log.error("no masks drawn: %s", error)
        return None
    if not config.has_any(annotator.labels):  # nothing that it finds has a name any more
        return {task: [] for task in task_ids}
    known = {task: tasks[task] for task in task_ids if task in tasks} if tasks else {}
    if unknown := set(task_ids) - set(known):
        known |= {task: data for task, data in context.list_tasks().open.items() if task in unknown}
    images = TaskImages(context, config, known.values(), annotator.max_side)
    regions: dict[int, list[Region]] = {}
    lacking: dict[int, Exception] = {}
    until = math.inf if seconds is None else time.monotonic() + seconds

    def draw_one(task_id: int) -> None:
        if task_id not in known or (len(regions) >= AT_LEAST and time.monotonic() > until):
            return
        try:
            content = images.encoded(str(task_id))
            with context.work_on(task_id, content):
                regions[task_id] = annotator.regions(content, f"task {task_id}")
        except (TaskImageError, ModelError) as error:
            log.warning("task %d has no mask: %s", task_id, error)
            lacking[task_id] = error

    progress("Drawing masks", 0, len(task_ids))
    with closing(each_on_a_core(draw_one, task_ids, context.settings)) as drawn:
        for done, _ in enumerate(drawn, start=1):
            progress("Drawing masks", done, len(task_ids))
    missing_images.note_without_mask(context, lacking)
    return regions


def note_drawn(context: Context, round_name: str, tasks: list[int]) -> None:
    """Remember tasks whose mask is drawn, also where it shows nothing or cannot be drawn, so that none is
    drawn at every sync."""
    if tasks:
        key = context.keys.drawn(round_name)
        context.redis.sadd(key, *tasks)
        context.redis.expire(key, KEPT_SECONDS)
