"""The versions of a project's model:
v1, v2, ... each a folder that appears whole, and a pointer to the current one that moves last."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.errors import VersionError
from backend.store.storage import Storage
from backend.store.version_history import ROLLBACK, Use, Uses
from model.errors import ModelError

if TYPE_CHECKING:  # who only lists versions need not wait for torch
    from model.network.checkpoint import TrainedModel

NO_VERSION = "v0"
"""What /setup and /predict call the model before there is one."""
DESCRIPTION = "model.json"
"""File in a version's folder that holds its record."""
UNFINISHED = ".unfinished"
"""Folder of a version that is not in the shared storage yet."""
FEWER = "trained on fewer labels"
"""How the reason of such a version begins when it could not be compared."""
TOLERANCE = 0.05
"""A held-out dice lower by more than this, and by more than its standard error, is clearly worse."""


@dataclass(frozen=True)
class VersionRecord:
    """How a version came about, and what it would take to repeat it.
    Task ids are text because JSON keys are."""

    name: str
    job: str  # a job that runs twice recognises its own version
    created: str  # ISO 8601, UTC
    labels: tuple[str, ...]  # names of the classes 1, 2, ...
    tasks: dict[str, str]  # task id to a digest of its label
    seed: int
    recipe: Mapping[str, object]
    folds: dict[str, int] = field(default_factory=dict)  # task id to the fold that held it out
    held_out: dict[str, float] = field(
        default_factory=dict
    )  # task id to the dice of the network that did not see it
    held_out_dice: float | None = None  # the mean of these, without the undecisive
    present: dict[str, list[int]] = field(
        default_factory=dict
    )  # task id to the class ids that its label holds; empty in early records
    undecisive: tuple[str, ...] = ()  # task ids whose label a model that has learnt nothing may meet exactly
    seconds: float = 0.0
    published: bool = True  # became current when it was made
    reason: str = ""  # why, or why not
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """A JSON-ready copy."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VersionRecord:
        """The record of a JSON object; keys of later editions are passed over."""
        known = {option.name for option in dataclasses.fields(cls)}
        content = {key: value for key, value in values.items() if key in known}
        tuples = {name: tuple(content.get(name, ())) for name in ("undecisive", "warnings")}
        return cls(**{**content, **tuples, "labels": tuple(content["labels"])})

    def same_training(self, other: VersionRecord) -> bool:
        """Whether both learnt the same from the same labels, so that one is no news after the other."""
        return (
            self.tasks == other.tasks
            and self.labels == other.labels
            and self.seed == other.seed
            and trained_by(self.recipe) == trained_by(other.recipe)
        )


class Versions:
    """The versions of one project in the storage."""

    def __init__(self, storage: Storage, project_id: int) -> None:
        self.storage = storage
        self.project_id = project_id
        self.uses = Uses(storage, project_id)
        self._folder = f"projects/{project_id}/versions"

    def names(self) -> list[str]:
        """All versions, oldest first; none that is still being written."""
        whole = {
            file.split("/")[-2]
            for file in self.storage.files(self._folder)
            if file.endswith(f"/{DESCRIPTION}")
        }
        return sorted((name for name in whole if _number(name)), key=_number)

    def next_name(self) -> str:
        """The name of the next version, which no other ever had a part of;
        only for the holder of the project's fence."""
        return f"v{max(map(_number, self.storage.names(self._folder)), default=0) + 1}"

    def current(self, *, fresh: bool = True) -> str | None:
        """The version in use, None before the first."""
        use = self.uses.current(fresh=fresh)
        return use.version if use else None

    def record(self, name: str) -> VersionRecord:
        """The record of a version. Raises VersionError when there is none of that name."""
        path = self.storage.get(f"{self._folder}/{name}/{DESCRIPTION}")
        try:
            return VersionRecord.from_dict(json.loads(path.read_text())["record"])
        except FileNotFoundError as error:
            known = ", ".join(self.names()) or "none"
            raise VersionError(
                f"Project {self.project_id} has no version {name!r}; there are: {known}."
            ) from error
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise VersionError(
                f"The record of version {name} in {path} is damaged ({error}); restore it from a backup."
            ) from error

    def current_record(self) -> VersionRecord | None:
        """The record of the version in use."""
        name = self.current()
        try:
            return self.record(name) if name else None
        except VersionError as error:
            raise VersionError(
                f"{error} It is the one in use: restore it from a backup, roll back, or train again."
            ) from error

    def newest_record(self) -> VersionRecord | None:
        """The record of the version that was trained last, in use or not."""
        names = self.names()
        return self.record(names[-1]) if names else None

    def check(self, name: str) -> None:
        """Raise VersionError, with the known ones, unless there is a version of that name."""
        names = self.names()
        if name not in names:
            raise VersionError(
                f"Project {self.project_id} has no version {name!r}; there are: {', '.join(names) or 'none'}."
            )

    def of_job(self, job: str) -> VersionRecord | None:
        """The version that a job made in an earlier run, if it did."""
        for name in reversed(self.names()):
            record = self.record(name)
            if record.job == job:
                return record
        return None

    def set_aside(self, model: TrainedModel, record: VersionRecord) -> None:
        """Keep a version on this machine until `save` has given it to the shared storage;
        `unfinished` finds it if that fails."""
        model.record = {**model.record, **record.to_dict()}
        model.save(self.storage.path(f"{self._folder}/{UNFINISHED}"))

    def save(self, model: TrainedModel, record: VersionRecord) -> None:
        """Keep a version; it appears whole, and does not become current."""
        self.set_aside(model, record)
        self.storage.move_in(
            self.storage.path(f"{self._folder}/{UNFINISHED}"),
            f"{self._folder}/{record.name}",
            last=DESCRIPTION,
        )

    def unfinished(self, wanted: VersionRecord) -> tuple[TrainedModel, VersionRecord] | None:
        """A version of the same training that this machine could not give to the shared storage, with the
        name and job of `wanted`."""
        from model.network.checkpoint import TrainedModel

        try:
            model = TrainedModel.load(self.storage.path(f"{self._folder}/{UNFINISHED}"))
            record = VersionRecord.from_dict(model.record)
        except (ModelError, KeyError, TypeError):
            return None
        if not record.same_training(wanted) or record.folds != wanted.folds:
            return None
        return model, dataclasses.replace(record, name=wanted.name, job=wanted.job)

    def load(self, name: str) -> TrainedModel:
        """The network of a version. Raises VersionError, CheckpointError."""
        from model.network.checkpoint import TrainedModel

        self.record(name)
        return TrainedModel.load(self.storage.get_folder(f"{self._folder}/{name}"))

    def make_current(
        self,
        name: str,
        *,
        by: str,
        who: str = "",
        reason: str = "",
        confirm: Callable[[], None] | None = None,
    ) -> None:
        """Put a version in use and remember who did and why; `confirm` is called just before and may raise.

        Nothing changes if it is in use already. Raises VersionError if there is none of that name.
        """
        self.record(name)
        if confirm is not None:
            confirm()
        before = self.current()
        if name != before:
            self.uses.add(Use(name, now(), by, who, reason, before))

    def remove(self, name: str) -> None:
        """Delete a version that is not current."""
        if name == self.current():
            raise VersionError(f"Version {name} is in use; put another one in use first.")
        shutil.rmtree(self.storage.path(f"{self._folder}/{name}"), ignore_errors=True)
        self.storage.remove(f"{self._folder}/{name}")


def _number(name: str) -> int:
    """7 of "v7"; 0 for what is no version."""
    return int(name[1:]) if name[:1] == "v" and name[1:].isdigit() else 0


def now() -> str:
    """This moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def trained_by(recipe: Mapping[str, object]) -> dict[str, object]:
    """What of a recipe makes the model: without the steps of a round's rows, and the device's precision."""
    return {**recipe, "row_steps": 0, "precision": ""}


def assign_folds(tasks: list[str], count: int, previous: Mapping[str, int]) -> dict[str, int]:
    """The fold of each task, 0 to `count` - 1: tasks keep the one they had, new ones join the smallest.

    So two versions are compared on the same held-out tasks.
    Folds that cannot be kept (another count, or one would be empty) start anew.
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


def compare(new: VersionRecord, current: VersionRecord | None, *, measured: bool = True) -> tuple[bool, str]:
    """Whether a new version may take the place of the current one, and why.

    Both were measured by the same procedure, on networks that had not seen the task, in the same folds (see
    `assign_folds`).
    On the tasks whose label both knew, the new one is clearly worse when its mean held-out dice is lower by
    more than max(0.05, the standard error of the differences).
    Tasks that tell nothing of a model's worth (`undecisive`) are left out.
    Where nothing can be compared, a version of fewer labels than the current one waits to be chosen by a
    person, unless versions are not `measured` at all (a setting).
    """
    if current is None:
        return True, "the first version"
    common = _common(new, current)
    why = _incomparable(new, current, common)
    if why:
        count, before = _telling(new, current), _telling(current, new)
        if count >= before:
            return True, why
        text = f"{FEWER}, {count} in place of {before}, and not to be compared with {current.name}: {why}"
        if not measured:
            return True, f"{text}; it is in use as the setting folds has every version put in use"
        return (
            False,
            (
                f"{text}. So {current.name} stays in use until there are {before} labels that count; "
                f"roll back to {new.name} to use it all the same"
            ),
        )
    differences = np.array([new.held_out[task] - current.held_out[task] for task in common])
    error = float(differences.std(ddof=1) / math.sqrt(len(common))) if len(common) > 1 else 0.0
    allowed = max(TOLERANCE, error)
    change = float(differences.mean())
    text = (
        f"held-out dice {change:+.3f} against {current.name} on {len(common)} tasks that both were"
        " measured on"
    )
    if change < -allowed:
        return False, f"{text}: clearly worse (more than {allowed:.3f}), so {current.name} stays in use"
    return True, text


def _common(new: VersionRecord, current: VersionRecord) -> list[str]:
    """The tasks on which both were measured against the same label, and that tell something."""
    return sorted(
        task
        for task in new.held_out
        if task in current.held_out
        and new.tasks[task] == current.tasks.get(task)
        and task not in {*new.undecisive, *current.undecisive}
    )


def _incomparable(new: VersionRecord, current: VersionRecord, common: list[str]) -> str:
    """Why the held-out dice of two versions cannot be compared; empty if they can."""
    if new.labels != current.labels:
        return f"the labels have changed from {', '.join(current.labels)} to {', '.join(new.labels)}"
    if not common:
        return f"no held-out task in common with {current.name}"
    seen, before = _marked(new, current), _marked(current, new)
    if seen is not None and before is not None and seen != before:
        # A class that is in neither mask counts 1: who has never seen it does well wherever it is not.
        names = ", ".join(new.labels[class_id - 1] for class_id in sorted(seen ^ before))
        return f"only one of {new.name} and {current.name} has seen a label of {names}"
    return ""


def _marked(record: VersionRecord, other: VersionRecord) -> set[int] | None:
    """The classes that a version's labels mark;
    None if it is not known, as its record is an early one and the other does not tell."""
    present = record.present or {
        task: found for task, found in other.present.items() if other.tasks[task] == record.tasks.get(task)
    }
    if not present or not present.keys() >= record.tasks.keys():
        return None
    return {class_id for task in record.tasks for class_id in present[task]} - {0}


def _telling(record: VersionRecord, other: VersionRecord) -> int:
    """How many of a version's labels are decisive.

    Early records do not say so:
    then the other one tells of the labels that both have, and a dice of exactly 1, which no network reaches
    on a real label, of the rest.
    """
    idle = set(record.undecisive)
    if not record.present:
        idle |= {task for task in other.undecisive if other.tasks.get(task) == record.tasks.get(task)}
        idle |= {task for task, dice in record.held_out.items() if dice == 1.0}
    return len(set(record.tasks) - idle)


def decide(new: VersionRecord, versions: Versions, *, measured: bool = True) -> tuple[bool, str]:
    """Whether a new version is to be put in use, and why: `compare` to the one in use now.

    After a rollback, a training that learnt nothing new since (the same labels and settings as a version that
    was passed over) would only undo it, so its version waits to be chosen by a person.
    """
    use = versions.uses.current()
    if use is not None and use.by == ROLLBACK:
        names = versions.names()
        for name in names[names.index(use.version) + 1 :] if use.version in names else ():
            if name != new.name and versions.record(name).same_training(new):
                return (
                    False,
                    (
                        f"trained on the same labels as {name}, in whose place {use.version} was put by a"
                        f" rollback, so {use.version} stays in use; roll back to {new.name} to use it all the"
                        " same"
                    ),
                )
    return compare(new, versions.current_record(), measured=measured)
