"""The masks of a version on tasks, as Label Studio shows them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from backend.errors import TaskImageError, VersionError
from backend.jobs.masks.pre_annotation import PreAnnotator
from backend.labelstudio.http.answers import Region
from backend.labelstudio.labels.config import LabelConfig
from backend.project import missing_images
from backend.project.context import Context
from backend.project.task_data import TaskImages
from backend.queue.connection import KEPT_SECONDS
from backend.store.versions import NO_VERSION
from model.errors import ModelError

log = logging.getLogger(__name__)


def draw(
    context: Context,
    version: str,
    config: LabelConfig,
    task_ids: list[int],
    progress: Callable[[str, int, int], None],
) -> dict[int, list[Region]]:
    """The masks of a version on some tasks, by task id;
    tasks that are gone or cannot be read are left out, with a log line."""
    if version == NO_VERSION or not task_ids:
        return {}
    try:
        annotator = PreAnnotator(
            context.versions.load(version), context.versions.record(version).labels, config
        )
    except VersionError as error:
        log.error("no masks drawn: %s", error)
        return {}
    if not set(annotator.labels) & set(config.labels):  # nothing that it finds has a name any more
        return {task: [] for task in task_ids}
    wanted_ids = set(task_ids)
    tasks = {
        int(task["id"]): task
        for task in context.client.tasks(context.project_id, "unlabelled")
        if int(task["id"]) in wanted_ids
    }
    images = TaskImages(context, config, tasks.values(), annotator.model.recipe.max_side)
    regions: dict[int, list[Region]] = {}
    lacking: dict[int, Exception] = {}
    for done, task_id in enumerate(task_ids, start=1):
        progress("Drawing masks", done, len(task_ids))
        if task_id not in tasks:
            continue
        try:
            content = images.encoded(str(task_id))
            with context.work_on(task_id, content):
                regions[task_id] = annotator.regions(content, f"task {task_id}")
        except (TaskImageError, ModelError) as error:
            log.warning("task %d has no mask: %s", task_id, error)
            lacking[task_id] = error
    missing_images.note_without_mask(context, lacking)
    return regions


def note_drawn(context: Context, round_name: str, tasks: list[int]) -> None:
    """Remember tasks whose mask is drawn, also where it shows nothing or cannot be drawn, so that none is
    drawn at every sync."""
    if tasks:
        key = context.keys.drawn(round_name)
        context.redis.sadd(key, *tasks)
        context.redis.expire(key, KEPT_SECONDS)
