"""What a project in Label Studio was like before it was connected, and what connecting has made there:
what it takes to undo it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.store.storage import Storage

SETTINGS = (
    "sampling",
    "show_collab_predictions",
    "model_version",
    "expert_instruction",
    "show_instruction",
    "maximum_annotations",
    "enable_empty_annotation",
    "skip_queue",
)
"""Settings of a project that are recorded."""
_HOOK = ("id", "url", "project", "is_active", "send_payload", "send_for_all_actions", "actions")
_BACKEND = (
    "id",
    "url",
    "title",
    "description",
    "is_interactive",
    "auth_method",
    "basic_auth_user",
    "extra_params",
    "timeout",
    "auto_update",
)


LATEST_CLOCK = timedelta(hours=1)
"""How much later than that of Label Studio the clock of this service may be, or the other way round."""


def is_older(time: str, project: Mapping[str, Any]) -> bool:
    """Whether something of this service (ISO 8601) was there before a project of Label Studio was made,
    and so belongs to an earlier project of the same number."""
    try:
        made = datetime.fromisoformat(str(project.get("created_at")))
        return datetime.fromisoformat(time) < made - LATEST_CLOCK
    except (ValueError, TypeError):  # one of them is not told, or without its zone
        return False


class Record:
    """A file in the project's folder of the storage: {"time", "first", "found", "made", "set"}.

    "found" is what there was before the first change, and is never written again, so that a second connect
    does not take our own values for the lab's;
    "first" is false where an edition that kept no record had connected the project already. "made":
    ids of what connecting made, by kind. "set": values that connecting wrote, by name.
    Passwords and headers are not kept.
    """

    def __init__(self, storage: Storage, project_id: int) -> None:
        self._storage = storage
        self._name = f"projects/{project_id}/connected.json"
        self._aside = f"projects/{project_id}/disconnected.json"

    def read(self) -> dict[str, Any]:
        """The whole record; empty before the first connect. Raises StorageError."""
        return self._storage.read_json(self._name, fresh=True) or {}

    def read_of(self, project: Mapping[str, Any]) -> dict[str, Any]:
        """The same; empty if it is that of an earlier project of this number. Raises StorageError."""
        content = self.read()
        return {} if is_older(str(content.get("time")), project) else content

    def keep(
        self,
        project: Mapping[str, Any],
        webhooks: Sequence[Mapping[str, Any]],
        backends: Sequence[Mapping[str, Any]],
        views: Sequence[Mapping[str, Any]],
        *,
        first: bool,
    ) -> None:
        """Record what there is before anything is changed; does nothing if that was done before.

        The record of an earlier project of this number is put aside. Raises StorageError.
        """
        if "found" in self.read_of(project):
            return
        if "found" in self.read():
            self.put_aside()
        found = {
            "project": {name: project.get(name) for name in SETTINGS},
            "webhooks": [
                _part(hook, _HOOK) | {"headers": sorted(hook.get("headers") or {})} for hook in webhooks
            ],
            "ml_backends": [_part(item, _BACKEND) for item in backends],
            "views": [_part(view, ("id", "order", "data")) for view in views],
        }
        self._storage.write_json(
            self._name,
            {
                "time": _now(),
                "first": first,
                "found": found,
                "made": {},
                "set": {},
            },
        )

    def keep_extra_params(self, extra: object) -> None:
        """Keep the settings that a connection has which is about to be removed: the next one gets them."""
        self._storage.write_json(self._name, {**self.read(), "extra_params": extra})

    @property
    def extra_params(self) -> Any:
        """Those of the connection that was removed last, an object or its text;
        empty if it had none, or if they are taken up."""
        aside = self._storage.read_json(self._aside, fresh=True) or {}
        return aside.get("extra_params") or {}

    def take_up_extra_params(self) -> None:
        """A connection has them again."""
        aside = self._storage.read_json(self._aside, fresh=True) or {}
        if aside.pop("extra_params", None):
            self._storage.write_json(self._aside, aside)

    def put_aside(self) -> None:
        """The project is as it was: the next connect records it anew. What was recorded stays beside it."""
        content = self.read()
        if content or not self.disconnected:
            self._storage.write_json(self._aside, content or {"time": _now()})
        self._storage.remove(self._name)

    @property
    def disconnected(self) -> bool:
        """Whether a person has disconnected the project, and nobody has connected it since."""
        return not self.read() and self._storage.read_json(self._aside, fresh=True) is not None

    def add_made(self, kind: str, identity: object) -> None:
        """Note that connecting has made this."""
        content = self.read()
        made = content.setdefault("made", {}).setdefault(kind, [])
        if identity is not None and identity not in made:
            made.append(identity)
            self._storage.write_json(self._name, content)

    def add_set(self, name: str, value: object) -> None:
        """Note the value that connecting has written."""
        content = self.read()
        if content.setdefault("set", {}).get(name) != value:
            content["set"][name] = value
            self._storage.write_json(self._name, content)

    def made(self, kind: str) -> list[Any]:
        """The ids of what connecting has made."""
        return list(self.read().get("made", {}).get(kind, []))

    def written(self, name: str) -> Any:
        """The value that connecting has written last, None if it has written none."""
        return self.read().get("set", {}).get(name)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _part(item: Mapping[str, Any], names: Sequence[str]) -> dict[str, object]:
    return {name: item[name] for name in names if name in item}
