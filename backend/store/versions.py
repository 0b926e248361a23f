"""The versions of a project's model:
v1, v2, ... each a folder that appears whole, and a pointer to the current one that moves last."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from backend.errors import VersionError
from backend.store.storage import Storage
from backend.store.version_history import Use, Uses
from backend.store.version_record import Learner, VersionRecord
from model.errors import ModelError

if TYPE_CHECKING:  # who only lists versions need not wait for torch
    from model.network.inference import Segmenter

NO_VERSION = "v0"
"""What /setup and /predict call the model before there is one."""
DESCRIPTION = "model.json"
"""File in a version's folder that holds its record."""
UNFINISHED = ".unfinished"
"""Folder of a U-Net that is not in the shared storage yet; that of a pixel classifier has its kind behind it:
both may be trained at once."""


RECENT = 50
"""The newest versions, among which a job finds its own: it made it moments before it is run again."""


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
        only for the holder of the choice of the version in use."""
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

    def newest_record(self, kind: Learner) -> VersionRecord | None:
        """The record of the version of a kind that was trained last, in use or not; damaged ones do not
        count."""
        return next((record for record in self._newest_first() if record.kind is kind), None)

    def check(self, name: str) -> None:
        """Raise VersionError, with the known ones, unless there is a version of that name."""
        names = self.names()
        if name not in names:
            raise VersionError(
                f"Project {self.project_id} has no version {name!r}; there are: {', '.join(names) or 'none'}."
            )

    def of_job(self, job: str) -> VersionRecord | None:
        """The version that a job made in an earlier run, if it did; damaged ones do not count."""
        recent = itertools.islice(self._newest_first(), RECENT)
        return next((record for record in recent if record.job == job), None)

    def _newest_first(self) -> Iterator[VersionRecord]:
        """The records of all versions, each read when it is asked for.

        Damaged ones are passed over, as an old one must not stop what is learnt today: the list tells them.
        """
        for name in sorted(filter(_number, self.storage.names(self._folder)), key=_number, reverse=True):
            with suppress(VersionError):
                yield self.record(name)

    def set_aside(self, model: Segmenter, record: VersionRecord) -> None:
        """Keep a version on this machine until `save` has given it to the shared storage;
        `unfinished` finds it if that fails."""
        model.record = {**model.record, **record.to_dict()}
        model.save(self.storage.path(self._unfinished(record.kind)))

    def save(self, model: Segmenter, record: VersionRecord) -> None:
        """Keep a version; it appears whole, and does not become current."""
        self.set_aside(model, record)
        self.storage.move_in(
            self.storage.path(self._unfinished(record.kind)),
            f"{self._folder}/{record.name}",
            last=DESCRIPTION,
        )

    def unfinished(self, wanted: VersionRecord) -> tuple[Segmenter, VersionRecord] | None:
        """A version of the same training that this machine could not give to the shared storage, with the
        name and job of `wanted`."""
        from model.saved_model import load_model

        try:
            model = load_model(self.storage.path(self._unfinished(wanted.kind)))
            record = VersionRecord.from_dict(model.record)
        except (ModelError, KeyError, TypeError):
            return None
        if not record.same_training(wanted) or record.folds != wanted.folds:
            return None
        return model, dataclasses.replace(record, name=wanted.name, job=wanted.job)

    def load(self, name: str) -> Segmenter:
        """The U-Net or pixel classifier of a version. Raises VersionError, CheckpointError."""
        from model.saved_model import load_model

        self.record(name)
        return load_model(self.storage.get_folder(f"{self._folder}/{name}"))

    def _unfinished(self, kind: Learner) -> str:
        return f"{self._folder}/{UNFINISHED}{'' if kind is Learner.UNET else f'-{kind}'}"

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
