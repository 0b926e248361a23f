"""The versions of a project's model: v1, v2, ... each a folder that appears whole, and a pointer to the current one that moves last."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from backend.errors import VersionError
from backend.storage import Storage
from model.trained import DESCRIPTION, TrainedModel

NO_VERSION = "v0"
"""What /setup and /predict call the model before there is one."""
TOLERANCE = 0.05
"""A held-out dice lower by more than this, and by more than its standard error, is clearly worse."""


@dataclass(frozen=True)
class VersionRecord:
    """How a version came about, and what it would take to repeat it. Task ids are text because JSON keys are."""

    name: str
    job: str  # a job that runs twice recognises its own version
    created: str  # ISO 8601, UTC
    labels: tuple[str, ...]  # names of the classes 1, 2, ...
    tasks: dict[str, str]  # task id to a digest of its label
    seed: int
    recipe: dict[str, Any]
    folds: dict[str, int] = field(default_factory=dict)  # task id to the fold that held it out
    held_out: dict[str, float] = field(default_factory=dict)  # task id to the dice of the network that did not see it
    held_out_dice: float | None = None  # the mean of these
    seconds: float = 0.0
    published: bool = True  # became current when it was made
    reason: str = ""  # why, or why not
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready copy."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VersionRecord:
        """The record of a JSON object; keys of later editions are passed over."""
        known = {option.name for option in dataclasses.fields(cls)}
        content = {key: value for key, value in values.items() if key in known}
        return cls(**{**content, "labels": tuple(content["labels"]), "warnings": tuple(content.get("warnings", ()))})


class Versions:
    """The versions of one project in the storage."""

    def __init__(self, storage: Storage, project_id: int) -> None:
        self.storage = storage
        self.project_id = project_id
        self._folder = f"projects/{project_id}/versions"
        self._pointer = f"projects/{project_id}/current.json"

    def names(self) -> list[str]:
        """All versions, oldest first."""
        found = [name for name in self.storage.names(self._folder) if name[:1] == "v" and name[1:].isdigit()]
        return sorted(found, key=lambda name: int(name[1:]))

    def next_name(self) -> str:
        """The name of the next version; only for the holder of the project's fence."""
        names = self.names()
        return f"v{int(names[-1][1:]) + 1}" if names else "v1"

    def current(self, *, fresh: bool = True) -> str | None:
        """The version in use, None before the first."""
        pointer = self.storage.read_json(self._pointer, fresh=fresh)
        return str(pointer["version"]) if pointer else None

    def record(self, name: str) -> VersionRecord:
        """The record of a version. Raises VersionError when there is none of that name."""
        path = self.storage.get(f"{self._folder}/{name}/{DESCRIPTION}")
        try:
            return VersionRecord.from_dict(json.loads(path.read_text())["record"])
        except FileNotFoundError as error:
            known = ", ".join(self.names()) or "none"
            raise VersionError(f"Project {self.project_id} has no version {name!r}; there are: {known}.") from error
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise VersionError(f"The record of version {name} in {path} is damaged ({error}); restore it from a backup.") from error

    def current_record(self) -> VersionRecord | None:
        """The record of the version in use."""
        name = self.current()
        return self.record(name) if name else None

    def of_job(self, job: str) -> VersionRecord | None:
        """The version that a job made in an earlier run, if it did."""
        for name in reversed(self.names()):
            record = self.record(name)
            if record.job == job:
                return record
        return None

    def save(self, model: TrainedModel, record: VersionRecord) -> None:
        """Keep a version; the folder appears whole. It does not become current."""
        model.record = {**model.record, **record.to_dict()}
        model.save(self.storage.path(f"{self._folder}/{record.name}"))
        self.storage.put(f"{self._folder}/{record.name}")

    def load(self, name: str) -> TrainedModel:
        """The network of a version. Raises VersionError, CheckpointError."""
        self.record(name)
        return TrainedModel.load(self.storage.get_folder(f"{self._folder}/{name}"))

    def make_current(self, name: str, *, by: str, confirm: Callable[[], None] | None = None) -> None:
        """Put a version in use; `confirm` is called just before the pointer moves and may raise. Raises VersionError if there is none."""
        self.record(name)
        if confirm is not None:
            confirm()
        self.storage.write_json(self._pointer, {"version": name, "by": by, "time": now()})

    def remove(self, name: str) -> None:
        """Delete a version that is not current."""
        if name == self.current():
            raise VersionError(f"Version {name} is in use; put another one in use first.")
        shutil.rmtree(self.storage.path(f"{self._folder}/{name}"), ignore_errors=True)
        self.storage.remove(f"{self._folder}/{name}")


def now() -> str:
    """This moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def assign_folds(tasks: list[str], count: int, previous: Mapping[str, int]) -> dict[str, int]:
    """The fold of each task, 0 to `count` - 1: tasks keep the one they had, new ones join the smallest.

    So two versions are compared on the same held-out tasks. Folds that cannot be kept (another count, or one would be empty) start anew.
    """
    count = min(count, len(tasks))
    if count < 2:
        return {}
    kept = {task: previous[task] for task in tasks if task in previous}
    for earlier in (kept if max(previous.values(), default=0) + 1 == count else {}, {}):
        folds = dict(earlier)
        sizes = [list(folds.values()).count(fold) for fold in range(count)]
        for task in tasks:
            if task not in folds:
                folds[task] = int(np.argmin(sizes))
                sizes[folds[task]] += 1
        if min(sizes) > 0:
            break
    return {task: folds[task] for task in tasks}


def compare(new: VersionRecord, current: VersionRecord | None) -> tuple[bool, str]:
    """Whether a new version may take the place of the current one, and why.

    Both were measured by the same procedure, on networks that had not seen the task, in the same folds (see `assign_folds`). On the tasks
    whose label both knew, the new one is clearly worse when its mean held-out dice is lower by more than max(0.05, the standard error of
    the differences).
    """
    if current is None:
        return True, "the first version"
    if new.labels != current.labels:
        return True, f"the labels have changed from {', '.join(current.labels)} to {', '.join(new.labels)}"
    common = sorted(task for task in new.held_out if task in current.held_out and new.tasks[task] == current.tasks.get(task))
    if not common:
        return True, f"no held-out task in common with {current.name}"
    differences = np.array([new.held_out[task] - current.held_out[task] for task in common])
    error = float(differences.std(ddof=1) / math.sqrt(len(common))) if len(common) > 1 else 0.0
    allowed = max(TOLERANCE, error)
    change = float(differences.mean())
    text = f"held-out dice {change:+.3f} against {current.name} on {len(common)} tasks that both were measured on"
    if change < -allowed:
        return False, f"{text}: clearly worse (more than {allowed:.3f}), so {current.name} stays in use"
    return True, text
