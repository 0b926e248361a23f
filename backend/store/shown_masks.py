"""The masks that were on show, kept beside their round, so that they can be compared with what annotators
submit."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.labelstudio.http.answers import Region
from backend.store.storage import Storage
from model.files import write_atomically

FOLDER = "drawn"
SINCE = "since.json"


@dataclass(frozen=True)
class Drawn:
    """The regions that a round showed on a task, as Label Studio got them, and the version that drew them."""

    round: str
    version: str
    regions: list[Region]
    hidden: bool = False  # drawn, and not shown: the setting unmasked_share


class DrawnMasks:
    """The masks of all rounds of a project whose folders are kept."""

    def __init__(self, storage: Storage, folder: str) -> None:
        """`folder` is the project's."""
        self._storage = storage
        self._rounds = f"{folder}/rounds"

    def keep(
        self,
        round_name: str,
        version: str,
        regions: Mapping[int, Sequence[Region]],
        hidden: Collection[int] = (),
    ) -> None:
        """Keep masks by task id before annotators can see them; also empty ones, and those that are `hidden`.
        A later one of a task takes its place."""
        if not regions:
            return
        name = f"{self._folder(round_name)}/{time.time_ns()}.zip"
        with (
            write_atomically(self._storage.path(name)) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive,
        ):
            for task, found in regions.items():
                content: dict[str, object] = {"version": version, "regions": list(found)}
                content |= {"hidden": True} if task in hidden else {}
                archive.writestr(f"{task}.json", json.dumps(content, separators=(",", ":")))
        self._storage.put(name)

    def show(self, round_name: str, *, over: bool = False) -> None:
        """Note that a round's masks are on show from now on, where they are `over` those of the round before,
        which stay on show on the other tasks; to be called just before Label Studio is switched to it."""
        name = f"{self._folder(round_name)}/{SINCE}"
        if not self.was_shown(round_name):
            self._storage.write_json(name, {"since": time.time()} | ({"over": True} if over else {}))

    def was_shown(self, round_name: str) -> bool:
        """Whether a round's masks may have been on show, so that somebody may have one open."""
        return self._storage.read_json(f"{self._folder(round_name)}/{SINCE}") is not None

    def shown(self) -> list[tuple[float, str]]:
        """The rounds by when they came on show, in seconds since 1970, oldest first."""
        found = []
        for round_name in self._storage.names(self._rounds):
            content = self._storage.read_json(f"{self._folder(round_name)}/{SINCE}")
            if content is not None:
                found.append((float(content["since"]), round_name))
        return sorted(found)

    def find_last(self, rounds: Sequence[str], task: int) -> Drawn | None:
        """What was on show on a task when the last of these rounds was, which came one after the other."""
        for round_name in reversed(rounds):
            found = self.find(round_name, task)
            content = self._storage.read_json(f"{self._folder(round_name)}/{SINCE}") or {}
            if found is not None or not content.get("over"):
                return found
        return None

    def find(self, round_name: str, task: int) -> Drawn | None:
        """What a round showed on a task; None if no mask was drawn on it."""
        for path in sorted(self._storage.get_folder(self._folder(round_name)).glob("*.zip"), reverse=True):
            with zipfile.ZipFile(path) as archive:
                try:
                    content = json.loads(archive.read(f"{task}.json"))
                except KeyError:
                    continue
            hidden = bool(content.get("hidden", False))
            return Drawn(round_name, str(content["version"]), list(content["regions"]), hidden)
        return None

    def _folder(self, round_name: str) -> str:
        return f"{self._rounds}/{round_name}/{FOLDER}"


def opened_at(annotation: Mapping[str, Any]) -> float | None:
    """When the annotator opened the task, seconds since 1970: the time of the submit less the seconds spent;
    None if it is not known."""
    try:
        submitted = datetime.fromisoformat(str(annotation["created_at"])).timestamp()
        return submitted - float(annotation.get("lead_time") or 0.0)
    except (KeyError, ValueError, TypeError):
        return None
