"""A project's tasks as arrays:
images at working resolution read when they are needed, labels as masks of class ids."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import RegionError, TaskImageError, UnknownLabelError
from backend.labelstudio.http.answers import Task
from backend.labelstudio.labels.annotations import chosen, is_made_of_a_mask
from backend.labelstudio.labels.config import LabelConfig
from backend.labelstudio.labels.regions import draw_regions
from backend.labelstudio.names import original_name
from backend.project.context import Context, Setup
from backend.queue.task_names import keep_names
from backend.stopping import in_threads
from model.arrays import Image, Mask
from model.data.images import decode_image, decode_shrunk, normalise
from model.data.lru_cache import ByteCache
from model.data.masks import present_values, resize_mask
from model.data.pool import SHRUNK
from model.data.small_objects import Losses, count_losses
from model.errors import ModelError
from model.hashing import digest

log = logging.getLogger(__name__)

IMAGE_BYTES = 2 * 1024**3
"""Decoded images kept in memory by one job, 2 GiB: about 680 of 512 x 512."""
DOWNLOADS = 8
"""Images fetched at once."""

OnLabel = Callable[[int, Mapping[str, Any], Mask], None]


class TaskImages(Mapping[str, Image]):
    """Images by task id (as text):
    float32 (H, W, 3) at working resolution, decoded from the cache when asked for."""

    def __init__(
        self, context: Context, config: LabelConfig, tasks: Iterable[Mapping[str, Any]], max_side: int
    ) -> None:
        """`tasks` need "id" and "data"; `max_side` in pixels as in the recipe."""
        self._context = context
        self._config = config
        self._tasks = {str(task["id"]): dict(task) for task in tasks}
        self._max_side = max_side
        self._cache = ByteCache(IMAGE_BYTES)
        self.sizes: dict[str, tuple[int, int]] = {}
        """(height, width) at working resolution of those that were decoded here, by task id."""

    @cached_property
    def digests(self) -> dict[str, str]:
        """A digest of each task's data, its image's address, by task id:
        the same on every machine, and without a download."""
        return {identity: digest(task["data"]) for identity, task in self._tasks.items()}

    def encoded(self, identity: str) -> bytes:
        """The image file of a task. Raises TaskImageError, ImageError."""
        return self._context.image(self._tasks[identity], self._config)

    def __getitem__(self, identity: str) -> Image:
        key = ("images", identity)
        image = self._cache.get(key)
        if image is None:
            content = self.encoded(identity)
            with self._context.work_on(identity, content):
                image = self._cache.put(
                    key, decode_image(content, f"task {identity}", max_side=self._max_side)
                )
        self.sizes[identity] = (image.shape[0], image.shape[1])
        return image

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, identity: object) -> bool:
        return identity in self._tasks

    def only(self, identities: Iterable[str]) -> TaskImages:
        """The same images without the others; the decoded ones are shared."""
        images = TaskImages(
            self._context, self._config, [self._tasks[identity] for identity in identities], self._max_side
        )
        images._cache, images.sizes = self._cache, self.sizes
        return images

    def unreadable(
        self, on_progress: Callable[[str, int, int], None]
    ) -> dict[str, TaskImageError | ModelError]:
        """Fetch and decode all images once; returns what is wrong with those that cannot be used, by task id.

        Raises UnreachableError when Label Studio is away.
        """

        def problem(identity: str) -> TaskImageError | ModelError | None:
            try:
                self[identity]
            except (TaskImageError, ModelError) as error:
                return error
            return None

        found: dict[str, TaskImageError | ModelError] = {}
        with closing(in_threads(problem, self, DOWNLOADS)) as problems:
            for done, (identity, error) in enumerate(zip(self, problems, strict=True), start=1):
                if error is not None:
                    found[identity] = error
                on_progress("Reading images", done, len(self))
        return found


@dataclass
class Labels:
    """The labelled tasks of a project: images and masks at working resolution, by task id."""

    images: dict[str, Image] = field(default_factory=dict)
    masks: dict[str, Mask] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)  # "id" and "data" of each
    digests: dict[str, str] = field(default_factory=dict)  # of each label, to tell whether it has changed
    problems: dict[str, str] = field(
        default_factory=dict
    )  # task id to what is wrong with its image or annotation
    gone: dict[str, str] = field(
        default_factory=dict
    )  # task id to the label in it that the configuration does not have, of the problems
    present: dict[str, list[int]] = field(
        default_factory=dict
    )  # class ids that each label holds, 0 = background
    overlaps: dict[str, str] = field(
        default_factory=dict
    )  # task id to where two labels claim the same pixels
    only_help: set[str] = field(
        default_factory=set
    )  # tasks whose label holds points or boxes, and nothing that is learnt
    missing: set[str] = field(default_factory=set)  # of the problems, tasks whose image may come back
    losses: Losses = field(default_factory=Losses)  # objects that are too small for the working size
    max_side: int = 0  # pixels of the working size
    seen: int = 0  # labelled tasks, usable or not
    unusable: list[int] = field(
        default_factory=list
    )  # ids of tasks that Label Studio counts as labelled and no label was read of

    @property
    def ids(self) -> list[str]:
        """Task ids in the order of their numbers."""
        return sorted(self.masks, key=int)


def read_labels(
    context: Context,
    setup: Setup,
    on_progress: Callable[[str, int, int], None],
    on_label: OnLabel | None = None,
) -> Labels:
    """All labels of the project as Label Studio holds them now;
    what cannot be used is noted in `problems` and stops nothing.

    `on_label` sees each that can be used: task id, annotation, and its mask at full size.
    """
    listed = list(context.client.tasks(context.project_id, "labelled"))
    names = {int(task["id"]): original_name(task, setup.config) for task in listed}
    keep_names(context.redis, context.project_id, names)
    tasks = [task for task in listed if chosen(task) is not None]
    labels = Labels(seen=len(tasks), max_side=setup.recipe.max_side)
    with closing(in_threads(lambda task: _fetch(context, setup.config, task), tasks, DOWNLOADS)) as problems:
        for done, (task, problem) in enumerate(zip(tasks, problems, strict=True), start=1):
            try:
                if problem is not None:
                    raise problem
                _add(context, labels, task, setup, on_label)
            except (TaskImageError, RegionError, ModelError) as error:
                labels.problems[str(task["id"])] = str(error)
                if isinstance(error, UnknownLabelError):
                    labels.gone[str(task["id"])] = error.label
                if not isinstance(error, RegionError) and not getattr(error, "lasting", False):
                    labels.missing.add(str(task["id"]))
                log.warning("task %s left out of the training: %s", task["id"], error)
            on_progress("Reading labels", done, len(tasks))
    labels.unusable = [int(task["id"]) for task in listed if str(task["id"]) not in labels.masks]
    return labels


def _fetch(context: Context, config: LabelConfig, task: Task) -> TaskImageError | ModelError | None:
    """Have the image of a task in the cache; the files of all labels at once might not fit into memory."""
    try:
        context.image(task, config)
    except (TaskImageError, ModelError) as error:
        return error
    return None


def _add(context: Context, labels: Labels, task: Task, setup: Setup, on_label: OnLabel | None) -> None:
    identity, annotation = str(task["id"]), chosen(task)
    assert annotation is not None
    content = context.image(task, setup.config)
    with context.work_on(identity, content):
        small, size = decode_shrunk(content, f"task {identity}", setup.recipe.max_side)
        image = normalise(small, name=f"task {identity}")
        name = f"task {identity}, annotation {annotation.get('id')}"
        drawing = draw_regions(annotation.get("result") or [], setup.config, size, name=name)
        full = drawing.mask
        mask = resize_mask(full, (image.shape[0], image.shape[1]))
        # What a model has drawn at the working size, specks included, tells nothing of how small objects are.
        by_hand = not is_made_of_a_mask(annotation)
        if mask.shape != full.shape and by_hand and labels.losses.masks < SHRUNK:
            labels.losses.add(count_losses(full, setup.recipe.max_side))
        if on_label is not None:
            on_label(int(task["id"]), annotation, full)
        labels.present[identity] = present_values(full).tolist()
        labels.digests[identity] = hashlib.sha256(full.data).hexdigest()[:16]
    labels.masks[identity] = mask
    labels.images[identity] = image
    labels.tasks[identity] = {"id": task["id"], "data": task["data"]}
    if drawing.overlaps:
        labels.overlaps[identity] = "; ".join(drawing.overlaps)
    if drawing.passed_over and not full.any():
        labels.only_help.add(identity)


def save_masks(path: Path, masks: Mapping[str, Mask]) -> None:
    """Write masks by task id; the file appears whole."""
    from model.files import write_atomically

    with write_atomically(path) as file:
        np.savez_compressed(file, allow_pickle=False, **masks)


def load_masks(path: Path) -> dict[str, Mask]:
    """Masks that `save_masks` wrote."""
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}
