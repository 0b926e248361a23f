"""Images that could not be had or read:
remembered, and tried again, so that a project takes them up as soon as they are there."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

from backend.errors import TaskImageError
from backend.labelstudio.http.answers import condition
from backend.labelstudio.image_cache import usable
from backend.labelstudio.labels.config import LabelConfig
from backend.project.context import Context
from backend.queue.connection import as_text
from backend.queue.project_info import ProjectInfo
from model.errors import ModelError

log = logging.getLogger(__name__)

MOST_TRIED = 3
"""Images tried in one sync, drawn at random: where a storage was away, one tells of all."""
SECONDS_BETWEEN_TRIES = 60.0
SECONDS_AFTER_A_RETURN = 600.0
"""A storage that comes and goes does not start a round every minute."""


MOST_NAMED = 2
"""Images that a warning names, with their addresses."""
MASKS = "masks"
"""What the note on images without a mask is about."""


class Lacks(StrEnum):
    """What goes without an image."""

    ORDER = "order"
    TRAINING = "training"
    MASK = "mask"


def remember(context: Context, what: Lacks, tasks: Collection[int | str]) -> None:
    """The tasks whose images are missing in a round or a training, in place of those before."""
    key = context.keys.missing
    before = {as_text(field) for field in context.redis.hkeys(key) if as_text(field).startswith(f"{what}:")}
    now = {f"{what}:{task}" for task in tasks}
    if before - now:
        context.redis.hdel(key, *(before - now))
    add(context, what, tasks)


def add(context: Context, what: Lacks, tasks: Collection[int | str]) -> None:
    """Further tasks whose images are missing."""
    if tasks:
        context.redis.hset(context.keys.missing, mapping={f"{what}:{task}": "" for task in tasks})


def tasks(context: Context, what: Lacks) -> set[int]:
    """The tasks whose images are missing."""
    fields = [as_text(field).partition(":") for field in context.redis.hkeys(context.keys.missing)]
    return {int(number) for lacks, _, number in fields if lacks == what}


def note_without_mask(context: Context, errors: Mapping[int, Exception]) -> None:
    """Tasks that have no mask because of their image, by the error of each:
    told on the status page, and tried again, but for what will not pass."""
    problems = {task: str(error) for task, error in errors.items() if not getattr(error, "lasting", False)}
    add(context, Lacks.MASK, problems)
    note_masks(context, problems)


def returned(context: Context, config: LabelConfig) -> set[Lacks]:
    """What can be done now that missing images are there; tries some of them, now and then."""
    due = ProjectInfo.load(context.redis, context.project_id).missing_tried or 0
    if 0 < due - time.time() <= SECONDS_AFTER_A_RETURN:  # further ahead: a wrong clock has set it
        return set()
    missing = [as_text(field) for field in context.redis.hkeys(context.keys.missing)]
    if not missing:
        return set()
    again = ProjectInfo(missing_tried=time.time() + SECONDS_BETWEEN_TRIES)
    again.save(context.redis, context.project_id)
    found = set()
    for field in random.sample(missing, min(MOST_TRIED, len(missing))):
        what, _, number = field.partition(":")
        task = _task(context, int(number))
        if task is not None and not _readable(context, config, task):
            continue
        context.redis.hdel(context.keys.missing, field)
        note_masks(context)
        if task is not None:
            log.info("the image of task %s can be read now", number)
            found.add(Lacks(what))
    if found:
        again = ProjectInfo(missing_tried=time.time() + SECONDS_AFTER_A_RETURN)
        again.save(context.redis, context.project_id)
    return found


def draw_again(context: Context, round_name: str) -> None:
    """Have the masks drawn that a round lacks because of missing images."""
    fields = [as_text(field) for field in context.redis.hkeys(context.keys.missing)]
    tasks = [field.partition(":")[2] for field in fields if field.startswith(f"{Lacks.MASK}:")]
    if tasks:
        context.redis.srem(context.keys.drawn(round_name), *tasks)
        context.redis.hdel(context.keys.missing, *(f"{Lacks.MASK}:{task}" for task in tasks))
        note_masks(context)


def note_masks(context: Context, problems: Mapping[int, str] | None = None) -> None:
    """Keep for the status which images have no mask because they cannot be read, and why (`problems`, by task
    id, of those just tried); no word once there are none.

    Those that the order lacks as well are told with it.
    """
    fields = [as_text(field).partition(":") for field in context.redis.hkeys(context.keys.missing)]
    order = {number for what, _, number in fields if what == Lacks.ORDER}
    lacking = {number for what, _, number in fields if what == Lacks.MASK} - order
    texts = [text.rstrip(".") for task, text in (problems or {}).items() if str(task) in lacking]
    if texts:
        count, named = len(lacking), "; ".join(texts[:MOST_NAMED])
        more = f"; and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
        context.note(
            MASKS,
            f"{count} {'image has' if count == 1 else 'images have'} no mask, because"
            f" {'it' if count == 1 else 'they'} cannot be read: {named}{more}. Bring them back to these"
            " addresses, or correct the addresses in Label Studio; the masks are then drawn by themselves.",
        )
    elif not lacking:
        context.note(MASKS, "")


def _task(context: Context, number: int) -> Mapping[str, Any] | None:
    """A task as it is now, from the list: asked for alone, Label Studio has a prediction made of it."""
    alone = [condition("id", "equal", number)]
    page = context.client.query(context.project_id, alone, page_size=1)["tasks"]
    return page[0] if page else None


def _readable(context: Context, config: LabelConfig, task: Mapping[str, Any]) -> bool:
    try:
        content = context.image(task, config)
        return usable(content, lambda content: context.work_on(int(task["id"]), content))
    except (TaskImageError, ModelError):
        return False
