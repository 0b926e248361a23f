"""Which version of a project's model is in use, and which were before:
one small file, written whole, that moves last."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.store.storage import Storage

KEPT = 200
"""Changes that are remembered, the newest last."""
FIRST_KEPT = 3
"""The first changes, remembered beside them: where the model began."""
ON_PAGE = "asked for on the status page"
"""The reason of what somebody asked for by a button of that page."""
HOLDS = "it holds until a version with new labels is not worse, or cannot be compared"
"""What becomes of a version that a person chose."""
TRAINING = "training"
ROLLBACK = "rollback"


@dataclass(frozen=True)
class Use:
    """A version was put in use."""

    version: str
    time: str  # ISO 8601, UTC
    by: str  # TRAINING or ROLLBACK
    who: str = ""  # the person who asked for it, as far as known; empty for what happens by itself
    reason: str = ""
    before: str | None = None  # the version in use until then

    @property
    def person(self) -> str:
        """Who asked for it, in words; empty where nobody knows.
        All who use the status page share one user, whose name would tell nothing."""
        return "someone on the status page" if self.reason == ON_PAGE else self.who

    @property
    def forward(self) -> bool:
        """Whether the version is a newer one than that before it."""
        return self.before is not None and goes_forward(self.before, self.version)

    def to_dict(self) -> dict[str, object]:
        """A JSON-ready copy."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Use:
        """The use of a JSON object; keys of other editions are passed over."""
        known = {option.name for option in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})


def goes_forward(before: str, to: str) -> bool:
    """Whether `to` is a newer version than `before`."""
    return int(to[1:]) > int(before[1:])


def describe_change(before: str | None, to: str) -> str:
    """What a person did who put a version in use, such as "rolled back from v4 to v3"."""
    if before is None:
        return f"put {to} in use"
    return f"{'switched forward' if goes_forward(before, to) else 'rolled back'} from {before} to {to}"


class Uses:
    """The file of one project:
    the use in force, with those before it, so that pointer and history never tell different things."""

    def __init__(self, storage: Storage, project_id: int) -> None:
        self._storage = storage
        self._name = f"projects/{project_id}/current.json"

    def current(self, *, fresh: bool = True) -> Use | None:
        """The use in force, None before the first version."""
        content = self._storage.read_json(self._name, fresh=fresh)
        return Use.from_dict(content) if content else None

    def all(self) -> list[Use]:
        """Every use that is remembered, oldest first; the last is in force."""
        content = self._storage.read_json(self._name, fresh=True)
        return [Use.from_dict(each) for each in (*content.get("earlier", []), content)] if content else []

    def add(self, use: Use) -> None:
        """Put a use in force, after those before it."""
        earlier = [each.to_dict() for each in self.all()]
        if len(earlier) >= KEPT:
            earlier = [*earlier[:FIRST_KEPT], *earlier[FIRST_KEPT + 1 - KEPT :]]
        self._storage.write_json(self._name, use.to_dict() | {"earlier": earlier})
