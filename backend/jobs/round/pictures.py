"""The pictures of a round's next tasks, and the map of its similarity, kept in the round's folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from backend.errors import RegionError, TaskImageError
from backend.jobs.round.similarity_map import similarity_map
from backend.jobs.round.thumbnails import SIDE, thumbnail
from backend.labelstudio.http.answers import Region
from backend.labelstudio.labels.config import LabelConfig
from backend.labelstudio.labels.regions import to_mask
from backend.labelstudio.names import original_name
from backend.project.context import Context
from backend.store.round_pictures import FOLDER, INDEX, SIMILARITY, Picture, picture_name
from backend.store.round_record import EXPECTED
from model.data.images.reading import decode_shrunk
from model.errors import ModelError
from model.files import write_bytes
from model.strategies.base import Comparison

log = logging.getLogger(__name__)

PICTURES = 40
"""Tasks from the start of the order that have a picture; the page shows ten, and annotators proceed."""
LONGEST_NAME = 80


def draw_pictures(
    context: Context,
    round_folder: str,
    config: LabelConfig,
    order: Sequence[int],
    regions: Mapping[int, Sequence[Region]],
    tasks: Mapping[int, Mapping[str, Any]],
    on_progress: Callable[[str, int, int], None],
    *,
    hidden: Collection[int],
    named: Collection[int],
) -> None:
    """Draw the first tasks of an order with their masks (`regions` by task id), and note their names;
    `tasks` are those at hand.

    A task whose image cannot be read has a name and no picture. Those `hidden` are drawn without their mask,
    as annotators see them. Those `named` by the reasons of the others are drawn too, wherever they are.
    """
    index: dict[str, Picture] = {}
    first = list(dict.fromkeys([*order[:PICTURES], *named]))
    tasks = {**_missing(context, set(first) - set(tasks)), **tasks}
    for done, number in enumerate(first, start=1):
        on_progress("Drawing pictures", done, len(first))
        task = tasks.get(number)
        if task is None:  # deleted meanwhile
            continue
        index[str(number)] = {"name": image_name(task, config), "picture": False}
        try:
            content = context.image(task, config)
            with context.work_on(number, content):
                shown = None if number in hidden else regions.get(number)
                picture = _picture(content, number, config, shown)
            write_bytes(context.storage.path(picture_name(round_folder, number)), picture)
        except (TaskImageError, ModelError, RegionError) as error:
            log.warning("task %d has no picture on the status page: %s", number, error)
            continue
        index[str(number)]["picture"] = True
        index[str(number)]["hidden"] = number in hidden
        if number in regions:
            index[str(number)]["mask"] = bool(regions[number])
    if index:
        context.storage.put(f"{round_folder}/{FOLDER}")
    context.storage.write_json(f"{round_folder}/{INDEX}", {"tasks": index})


def _picture(content: bytes, number: int, config: LabelConfig, regions: Sequence[Region] | None) -> bytes:
    small, size = decode_shrunk(content, f"task {number}", SIDE)
    if regions is None:
        return thumbnail(small, None)
    return thumbnail(small, to_mask(regions, config, size, name=f"task {number}, pre-annotation"))


def _missing(context: Context, numbers: set[int]) -> dict[int, Mapping[str, Any]]:
    """Tasks that came since the snapshot, from the list:
    asked for one alone, Label Studio has a prediction made and stores it."""
    listed = context.list_tasks().open if numbers else {}
    return {number: task for number, task in listed.items() if number in numbers}


def keep_similarity(
    context: Context, round_folder: str, comparison: Comparison, labelled: Sequence[str]
) -> None:
    """Keep the map of what the order was decided from, and the dice that is expected of each image now, as it
    was compared."""
    content = similarity_map(comparison.ids, comparison.similarity, comparison.trained, labelled)
    context.storage.write_json(f"{round_folder}/{SIMILARITY}", content)
    known = [index for index, task in enumerate(comparison.ids) if task in set(labelled)]
    if known:
        best = comparison.similarity[known].max(axis=0).tolist()
        keep_expected(context, round_folder, dict(zip(comparison.ids, best, strict=True)))


def keep_expected(context: Context, round_folder: str, expected: Mapping[str, float]) -> None:
    """Keep the dice that is expected of each image now, by task id."""
    tasks = {task: round(dice, 4) for task, dice in expected.items()}
    context.storage.write_json(f"{round_folder}/{EXPECTED}", {"tasks": tasks})


def image_name(task: Mapping[str, Any], config: LabelConfig) -> str:
    """The name of a task's image file as people know it, shortened; empty where there is none."""
    return original_name(task, config)[-LONGEST_NAME:]
