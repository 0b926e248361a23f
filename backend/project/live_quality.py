"""Live quality: how well the mask that an annotator was shown agrees with what they submitted, over time.

Unlike the held-out dice it needs no extra training, and it is measured on the images as they come;
but annotators who correct little raise it.
The file outlives the rounds, one short entry for each submitted label.
"""

from __future__ import annotations

import dataclasses
import logging
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.errors import RegionError, StorageError
from backend.labelstudio.labels.annotations import annotator_of, seconds_open
from backend.labelstudio.labels.config import LabelConfig
from backend.labelstudio.labels.regions import to_mask
from backend.store.shown_masks import Drawn, DrawnMasks, opened_at
from backend.store.storage import Storage
from model.network.dice import dice

log = logging.getLogger(__name__)

FILE = "live-quality.json"
UNCHANGED = 0.9999
"""Dice from which on a mask of an early entry counts as submitted unchanged."""


@dataclass(frozen=True)
class Agreement:
    """One submitted label against the mask that its annotator was shown."""

    task: int
    annotation: int
    time: str  # of the submit, ISO 8601
    updated: str  # of the label measured: an annotator may have changed it since
    round: str
    version: str
    dice: float
    seconds: float | None = None  # that the annotator had the task open, as Label Studio counts them
    annotator: str = ""  # as Label Studio names them; empty in early entries
    same: bool | None = None  # whether every pixel is as it was drawn; early entries do not say it
    shown: bool = True  # the mask; else it was drawn and hidden, to compare the times: unmasked_share

    @property
    def unchanged(self) -> bool:
        """Whether a mask was submitted as it was drawn; an empty one that stays empty is none, nor one that
        nobody has seen."""
        if not self.shown:
            return False
        return self.dice >= UNCHANGED if self.same is None else self.same

    @property
    def changed(self) -> bool:
        """Whether the mask that was shown was corrected; an empty one that stays empty was not."""
        return self.shown and not self.unchanged and self.dice < UNCHANGED


def read(storage: Storage, folder: str) -> list[Agreement]:
    """All agreements of a project, the first submitted first; empty before there are any.
    Raises StorageError."""
    content = storage.read_json(f"{folder}/{FILE}", fresh=True)
    if content is None:
        return []
    known = {field.name for field in dataclasses.fields(Agreement)}
    try:
        found = [
            Agreement(**{key: value for key, value in entry.items() if key in known})
            for entry in content["agreements"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise StorageError(
            f"{folder}/{FILE} is damaged ({error}); restore it from a backup, or move it to another place."
        ) from error
    return sorted(found, key=lambda agreement: agreement.time)


class LiveQuality:
    """Collects agreements while labels are read for a training, which is when their masks are at hand;
    `save` keeps them."""

    def __init__(self, storage: Storage, folder: str, config: LabelConfig) -> None:
        """`folder` is the project's."""
        self._storage, self._folder, self._config = storage, folder, config
        self._drawn = DrawnMasks(storage, folder)
        self._new = 0
        self._known: dict[int, Agreement] = {}
        self._rounds: list[tuple[float, str]] = []
        try:
            self._known = {agreement.annotation: agreement for agreement in read(storage, folder)}
            self._rounds = self._drawn.shown()
        except StorageError as error:
            self._set_aside(error)

    def see(self, task: int, annotation: Mapping[str, Any], mask: npt.NDArray[np.uint8]) -> None:
        """Compare a label, class ids (H, W) at full size, with what its annotator was shown.
        Never raises for what cannot be compared."""
        number, updated = int(annotation.get("id") or 0), str(annotation.get("updated_at") or "")
        if number in self._known and self._known[number].updated == updated:
            return
        try:
            shown = self._shown(task, annotation)
            if shown is None:
                return
            before = to_mask(
                shown.regions,
                self._config,
                (mask.shape[0], mask.shape[1]),
                name=f"task {task}, pre-annotation",
            )
            agreed = round(dice(before, mask, self._config.classes), 4)
        except (RegionError, StorageError, ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            log.warning("task %d: its label is not compared with the mask that was shown: %s", task, error)
            return
        when = str(annotation.get("created_at") or "")
        self._known[number] = Agreement(
            task,
            number,
            when,
            updated,
            shown.round,
            shown.version,
            agreed,
            seconds_open(annotation),
            annotator_of(annotation),
            bool(mask.any() and np.array_equal(before, mask)),
            not shown.hidden,
        )
        self._new += 1

    def save(self) -> None:
        """Keep what is new."""
        if self._new:
            content = {"agreements": [dataclasses.asdict(agreement) for agreement in self._known.values()]}
            self._storage.write_json(f"{self._folder}/{FILE}", content)
            log.info("%d submitted labels compared with the masks shown", self._new)
            self._new = 0

    def _shown(self, task: int, annotation: Mapping[str, Any]) -> Drawn | None:
        """The mask that was on show when the annotator opened the task;
        None if there was none, or it is cleared away."""
        opened = opened_at(annotation)
        before = [name for since, name in self._rounds if opened is not None and since <= opened]
        return self._drawn.find_last(before, task)

    def _set_aside(self, error: StorageError) -> None:
        path = self._storage.path(f"{self._folder}/{FILE}")
        log.error("live quality begins anew, the damaged file is kept as %s.damaged: %s", path.name, error)
        if path.exists():
            path.replace(path.with_name(f"{path.name}.damaged"))
