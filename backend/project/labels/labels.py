"""A project's labels: what its annotators drew, as masks of class ids at working resolution."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from backend.errors import RegionError, UnknownLabelError
from backend.labelstudio.http.answers import Task
from backend.labelstudio.labels.annotations import chosen, is_made_of_a_mask
from backend.labelstudio.labels.regions import draw_regions
from backend.labelstudio.names import original_name
from backend.project import missing_images
from backend.project.context import Context, Setup
from backend.project.labels.kept_labels import KeptLabels, Label
from backend.project.missing_images import Lacks
from backend.project.task_data import DOWNLOADS, TaskImages
from backend.queue.task_names import keep_names
from backend.stopping import in_threads
from model.arrays import Image, Mask
from model.data.images.pixels import normalise
from model.data.images.reading import decode_shrunk
from model.data.masks.class_ids import present_values, resize_mask
from model.data.masks.small_objects import Losses, count_losses
from model.data.pool import SHRUNK
from model.errors import ModelError
from model.hashing import digest_of_array

log = logging.getLogger(__name__)

STEP = "Reading labels"

OnLabel = Callable[[int, Mapping[str, Any], Mask], None]


@dataclass
class Labels:
    """The labelled tasks of a project, by task id: masks at working resolution, and images when asked for."""

    images: Mapping[str, Image] = field(default_factory=dict)
    masks: dict[str, Mask] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)  # "id" and "data" of each
    digests: dict[str, str] = field(default_factory=dict)  # of each label, to tell whether it has changed
    contents: dict[str, str] = field(default_factory=dict)  # digest of each image's array
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

    def add(self, task: Task, label: Label) -> None:
        """One more label, or what is wrong with it."""
        identity = str(task["id"])
        if label.mask is None:
            self.problems[identity] = label.problem
            if label.gone:
                self.gone[identity] = label.gone
            if label.missing:
                self.missing.add(identity)
            log.warning("task %s left out of the training: %s", identity, label.problem)
            return
        self.masks[identity] = label.mask
        self.tasks[identity] = {"id": task["id"], "data": task["data"]}
        self.digests[identity], self.contents[identity] = label.digest, label.content
        self.present[identity] = list(label.present)
        if label.overlaps:
            self.overlaps[identity] = label.overlaps
        if label.only_help:
            self.only_help.add(identity)
        if label.losses is not None and self.losses.masks < SHRUNK:
            self.losses.add(label.losses)


def read_labels(
    context: Context,
    setup: Setup,
    on_progress: Callable[[str, int, int], None],
    on_label: OnLabel | None = None,
    *,
    kept: KeptLabels | None = None,
    anew: bool = False,
) -> Labels:
    """All labels of the project as Label Studio holds them now;
    what cannot be used is noted in `problems` and stops nothing.

    `on_label` sees each that is read and can be used: task id, annotation, and its mask at full size.
    With those that are `kept`, only what is new or has changed is read, or all, if `anew`; what is read is
    kept there, once the caller saves it.
    """
    if kept is None or anew:
        tasks, held = dict[int, Task](), dict[int, Label]()
        listed = list(context.client.tasks(context.project_id, "labelled"))
    else:
        tasks, held, listed = _list_changed(context, setup, kept)
    tasks |= {int(task["id"]): task for task in listed}
    names = {number: original_name(task, setup.config) for number, task in tasks.items()}
    keep_names(context.redis, context.project_id, names)
    to_read = [task for task in listed if chosen(task) is not None]
    images = TaskImages(context, setup.config, tasks.values(), setup.recipe.max_side)
    labels = Labels(images=images, max_side=setup.recipe.max_side, seen=len(held) + len(to_read))
    for number, label in held.items():
        labels.add(tasks[number], label)
    with closing(_digest_files(context, setup, to_read)) as files:
        for done, (task, file) in enumerate(zip(to_read, files, strict=True), start=1):
            label = _read(context, setup, images, task, file, on_label, labels.losses.masks < SHRUNK)
            labels.add(task, label)
            if kept is not None:
                kept.keep(task, label)
            on_progress(STEP, done, len(to_read))
    labels.unusable = [number for number in sorted(tasks) if str(number) not in labels.masks]
    return labels


def _list_changed(
    context: Context, setup: Setup, kept: KeptLabels
) -> tuple[dict[int, Task], dict[int, Label], list[Task]]:
    """The tasks whose labels are kept, these labels, and the tasks whose labels have to be read, with their
    annotations."""
    now = context.list_tasks()
    tasks, held = now.all, kept.find(now)
    awaited = missing_images.tasks(context, Lacks.TRAINING)
    to_check = [
        task
        for number, task in tasks.items()
        # An image that was not to be had is tried by the syncs, or where it is too large by the trainings.
        if number in held and (held[number].file or (held[number].missing and number not in awaited))
    ]
    with closing(_digest_files(context, setup, to_check)) as files:
        for task, file in zip(to_check, files, strict=True):
            if isinstance(file, Exception):
                held[task["id"]] = _describe(file)
            elif file != held[task["id"]].file:
                del held[task["id"]]
    changed = [now.tasks[number].changed for number in now.labelled - held.keys()]
    listed = list(context.client.labelled(context.project_id, min(changed))) if changed else []
    for task in listed:
        if (number := int(task["id"])) in now.tasks and task["updated_at"] != now.tasks[number].changed:
            held.pop(number, None)  # since they were listed
    listed = [task for task in listed if int(task["id"]) not in held]
    return {number: tasks[number] for number in held}, held, listed


def _digest_files(context: Context, setup: Setup, tasks: Iterable[Task]) -> Generator[str | ModelError]:
    """The digest of each task's image file, which is in the cache then, or why it is not to be had.
    The files of all labels at once might not fit into memory."""

    def digest_file(task: Task) -> str | ModelError:
        try:
            return hashlib.sha256(context.image(task, setup.config)).hexdigest()
        except ModelError as error:
            return error

    return in_threads(digest_file, tasks, DOWNLOADS)


def _read(
    context: Context,
    setup: Setup,
    images: TaskImages,
    task: Task,
    file: str | ModelError,
    on_label: OnLabel | None,
    count_objects: bool,
) -> Label:
    """The label of a task whose image file has the digest `file`, or what is wrong with it."""
    identity, annotation = str(task["id"]), chosen(task)
    assert annotation is not None
    try:
        if isinstance(file, ModelError):
            raise file
        content = context.image(task, setup.config)
        with context.work_on(identity, content):
            small, size = decode_shrunk(content, f"task {identity}", setup.recipe.max_side)
            image = images.keep(identity, normalise(small, name=f"task {identity}"))
            name = f"task {identity}, annotation {annotation.get('id')}"
            drawing = draw_regions(annotation.get("result") or [], setup.config, size, name=name)
            full = drawing.mask
            mask = resize_mask(full, (image.shape[0], image.shape[1]))
            # What a model has drawn at the working size, specks included, tells not how small objects are.
            by_hand = not is_made_of_a_mask(annotation)
            losses = None
            if mask.shape != full.shape and by_hand and count_objects:
                losses = count_losses(full, setup.recipe.max_side)
            if on_label is not None:
                on_label(int(task["id"]), annotation, full)
            return Label(
                file=file,
                mask=mask,
                digest=hashlib.sha256(full.data).hexdigest()[:16],
                content=digest_of_array(image),
                present=tuple(present_values(full).tolist()),
                overlaps="; ".join(drawing.overlaps),
                only_help=bool(drawing.passed_over and not full.any()),
                losses=losses,
            )
    except (RegionError, ModelError) as error:
        return _describe(error, file if isinstance(file, str) else "")


def _describe(error: Exception, file: str = "") -> Label:
    """What is wrong with a label or its image."""
    return Label(
        file=file,
        problem=str(error),
        gone=error.label if isinstance(error, UnknownLabelError) else "",
        missing=not isinstance(error, RegionError) and not getattr(error, "lasting", False),
    )
