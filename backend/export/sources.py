"""The best mask of each image of a project: the annotator's label, else what the model draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.errors import RegionError
from backend.labelstudio.http.answers import Task
from backend.labelstudio.labels.annotations import chosen
from backend.labelstudio.labels.config import LabelConfig
from backend.labelstudio.labels.regions import draw_regions, read_parts
from backend.store.versions import NO_VERSION
from model.arrays import Mask
from model.data.images.header import MAX_PIXELS
from model.export.folder import LABEL, PREDICTION
from model.export.objects import Objects, number_objects
from model.hashing import digest

MASKS, PREDICTED = "masks", "predicted"
"""Folders of the export."""


@dataclass(frozen=True)
class Source:
    """Where the mask of a task comes from."""

    task: Task
    annotation: Mapping[str, Any] | None
    fingerprint: str
    folder: str
    row: dict[str, str]


class Sources:
    """What is known of a project's masks."""

    def __init__(
        self,
        version: str,
        created: str,
        people: Mapping[int, str],
        expected: Mapping[str, float],
    ) -> None:
        """`version` of the model draws what is not labelled, NO_VERSION for none, made at `created`.
        `people` are e-mail addresses by user; `expected` the expected dice by task id."""
        self._version = version
        self._created = created
        self._people = people
        self._expected = expected

    def of(self, task: Task) -> Source:
        """The source of a task's mask, with its line of index.csv."""
        annotation, number = chosen(task), str(task["id"])
        image = digest(task.get("data") or {})
        if annotation is not None:
            changed = str(annotation.get("updated_at") or annotation.get("created_at") or "")
            row = {
                "task": number,
                "source": LABEL,
                "annotator": self._person(annotation.get("completed_by")),
                "date": changed,
            }
            return Source(task, annotation, digest(image, annotation.get("id"), changed), MASKS, row)
        row = {"task": number, "source": ""}
        if self._version != NO_VERSION:
            expected = self._expected.get(number)
            row |= {
                "source": PREDICTION,
                "model_version": self._version,
                "expected_dice": "" if expected is None else f"{expected:.4f}",
                "date": self._created,
            }
        return Source(task, None, digest(image, self._version), PREDICTED, row)

    def _person(self, user: object) -> str:
        identity = user.get("id") if isinstance(user, dict) else user
        known = self._people.get(identity) if isinstance(identity, int) else None
        if known is None and isinstance(user, dict):
            known = user.get("email")
        return known or (f"user {identity}" if identity is not None else "")


def draw_label(
    annotation: Mapping[str, Any],
    config: LabelConfig,
    size: tuple[int, int] | None,
    *,
    name: str,
    objects: bool,
) -> tuple[Mask, Objects | None]:
    """The mask of an annotation at the size of its image, and its `objects` if they are asked for, drawn ones
    apart.

    Of an image that cannot be read the regions tell the size: a label is worth an hour, and comes out.
    Raises RegionError.
    """
    result = annotation.get("result") or []
    size = size or _drawn_on(result)
    if size is None:
        raise RegionError(
            f"{name}: its image cannot be read, and no region tells its size; bring the image back, and run"
            " the same command again."
        )
    mask = draw_regions(result, config, size, name=name).mask
    if not objects:
        return mask, None
    return mask, number_objects(mask, read_parts(result, config, size, name=name), name=name)


def _drawn_on(result: Any) -> tuple[int, int] | None:
    for region in result if isinstance(result, list) else ():
        size = (region.get("original_height"), region.get("original_width"))
        if all(isinstance(side, int) and side > 0 for side in size) and size[0] * size[1] <= MAX_PIXELS:
            return size
    return None
