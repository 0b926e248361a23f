"""Labels as they were read, kept on this machine, so that a live turn reads only what is new.

What is kept holds for one state of the task in Label Studio, which changes with each change of its
annotations, and for one labelling configuration and working size. A training reads all labels again, and
keeps what it finds.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from backend.labelstudio.http.answers import Task
from backend.labelstudio.task_list import TaskList
from backend.project.context import Context, Setup
from model.arrays import Mask
from model.data.masks.small_objects import Losses
from model.hashing import digest

log = logging.getLogger(__name__)

VERSION = 1
"""Of what is kept: files of another one are not read."""


@dataclass(frozen=True)
class Label:
    """What the label of a task says; without a mask, what is wrong with it."""

    file: str = ""  # digest of the image file; empty where it was not to be had
    mask: Mask | None = None  # uint8 (H, W) of class ids at working resolution
    digest: str = ""  # of the mask at full size
    content: str = ""  # digest of the image's array at working resolution
    present: tuple[int, ...] = ()  # class ids at full size, 0 = background
    overlaps: str = ""  # where two labels claim the same pixels
    only_help: bool = False  # it holds points or boxes, and nothing that is learnt
    losses: Losses | None = None  # objects that are too small for the working size, where they were counted
    problem: str = ""
    gone: str = ""  # the label that the configuration does not have, of a problem
    missing: bool = False  # the image may come back, of a problem

    def to_bytes(self, key: str) -> bytes:
        """As it stands in a file: a line of JSON, and the compressed mask."""
        content: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        content["losses"] = self.losses and self.losses.to_dict()
        content["shape"] = self.mask is not None and self.mask.shape
        mask = b"" if self.mask is None else zlib.compress(self.mask.tobytes(), 1)
        return json.dumps({"key": key, **content}).encode() + b"\n" + mask

    @classmethod
    def from_bytes(cls, key: str, data: bytes) -> Self | None:
        """What `to_bytes` wrote under this key; None for anything else."""
        head, _, mask = data.partition(b"\n")
        try:
            content = json.loads(head)
            if content.pop("key") != key:
                return None
            shape, losses = content.pop("shape"), content.pop("losses")
            present = tuple(content.pop("present"))
            found = np.frombuffer(zlib.decompress(mask), np.uint8).reshape(shape) if shape else None
            return cls(
                **content, mask=found, present=present, losses=Losses.from_dict(losses) if losses else None
            )
        except (ValueError, TypeError, KeyError, AttributeError, zlib.error):  # cut off, or damaged
            return None


_PLAIN = [field.name for field in dataclasses.fields(Label) if field.name not in ("mask", "losses")]


class KeptLabels:
    """The kept labels of a project, a file each, beside its downloaded images. They go when they are a day
    old, as the images do."""

    def __init__(self, folder: Path, kind: str) -> None:
        """`kind` names what all of them depend on."""
        self._folder, self._kind = folder, kind
        self._read: dict[int, bytes] = {}

    @classmethod
    def of(cls, context: Context, setup: Setup) -> Self:
        """Those that were read under the same configuration and settings."""
        kind = digest(
            VERSION,
            context.client.url,
            setup.project.label_config,
            setup.recipe.max_side,
            context.settings.most_pixels,
        )
        return cls(context.image_cache, kind)

    def find(self, tasks: TaskList) -> dict[int, Label]:
        """The labels of those labelled tasks that are as they were, by task id."""
        found = {}
        for number in sorted(tasks.labelled):
            listed = tasks.tasks[number]
            try:
                data = self._path(number).read_bytes() if listed.changed else b""
            except OSError:
                continue
            label = Label.from_bytes(self._key(number, listed.changed, listed.annotations, listed.data), data)
            if label is not None:
                found[number] = label
        return found

    def keep(self, task: Task, label: Label) -> None:
        """Keep a label as it was read with its task, once `save` is called."""
        number = int(task["id"])
        changed, annotations = str(task.get("updated_at") or ""), int(task.get("total_annotations") or 0)
        key = self._key(number, changed, annotations, task["data"])
        self._read[number] = label.to_bytes(key)

    def save(self) -> None:
        """Write what was read: to be called once all that it is needed for is kept too."""
        try:
            for number, content in self._read.items():
                path = self._path(number)
                beside = path.with_suffix(f".{os.getpid()}")
                beside.write_bytes(content)
                beside.replace(path)
        except OSError as error:
            log.warning("labels are not kept, and read again next time: %s", error.strerror or error)
        self._read = {}

    def _path(self, number: int) -> Path:
        return self._folder / f"label-{number}.kept"

    def _key(self, number: int, changed: str, annotations: int, data: object) -> str:
        return digest(self._kind, number, changed, annotations, data)
