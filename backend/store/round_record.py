"""The record of a ranking round: what it was made from, and the order that came of it.
One JSON file in the round's folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from backend.errors import StorageError
from backend.store.storage import Storage
from model.reason import Reason

RECORD = "record.json"
DRAFT = "draft.json"
EXPECTED = "expected.json"


@dataclass(frozen=True)
class Place:
    """Why a task is where it is in the order."""

    rank: int = 0  # counted from 1
    reason: Reason | str = ""  # figures; words where the strategy gave some, or an earlier release
    expected_dice: float | None = (
        None  # the lowest expected dice once this image and those before it are labelled
    )
    helps: tuple[int, ...] = ()  # tasks that it helps most, the first one most of all

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Of a record's JSON; what it lacks is empty."""
        return cls(
            int(content.get("rank", 0)),
            _reason(content.get("reason")),
            content.get("expected_dice"),
            tuple(int(task) for task in content.get("helps", ())),
        )

    def to_dict(self) -> dict[str, object]:
        """As it stands in a record's JSON."""
        reason = self.reason if isinstance(self.reason, str) else self.reason.to_dict()
        return {
            "rank": self.rank,
            "reason": reason,
            "expected_dice": self.expected_dice,
            "helps": list(self.helps),
        }


def _reason(content: object) -> Reason | str:
    """Figures; words as they are; nothing for a kind that a later release has added."""
    if not isinstance(content, Mapping):
        return str(content or "")
    try:
        return Reason.from_dict(content)
    except (KeyError, ValueError):
        return ""


@dataclass(frozen=True)
class RoundRecord:
    """What a round did. Tasks are meant by their ids; times are ISO 8601, UTC."""

    round: str  # its name, e.g. "v3.r7"
    time: str
    version: str  # of the model whose masks are on show, NO_VERSION before there is one
    order: list[int]  # all unlabelled tasks, the next one first
    batch: list[int]  # those that were asked for: also those answered while it ran
    reason: str = ""  # why there was a round
    strategy: str = ""
    budget: int = 0
    cold_start: bool = False
    message: str = ""  # why it is a cold start, or what else people should know
    drawn_for: str | None = (
        None  # the labels of the configuration that the masks fit; None in records of an early release
    )
    seed: int = 0
    labels: list[int] = field(default_factory=list)  # L
    unusable: list[int] | None = (
        None  # labelled tasks of which no label could be read; None in records of an early release
    )
    queries: dict[int, Place] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)  # task to what is wrong with its image
    notes: dict[str, float] = field(default_factory=dict)  # figures of the strategy's own
    masks: int = 0  # how many tasks show one
    answered: list[int] = field(default_factory=list)  # tasks that were labelled while it ran
    late: list[int] = field(default_factory=list)  # tasks that came while it ran: the last in the order
    tasks: int = 0
    seconds: float | None = None  # of its finish
    order_of: str | None = None  # the round that computed the order, where only the masks are others
    learnt: str = ""  # the pixel classifier that had learnt the labels, in a live turn
    requested: bool = False  # a person asked for another strategy, budget or options than the project's
    over: str = ""  # the round whose predictions it wrote its next places and masks over; else it has its own
    first: list[int] = field(default_factory=list)  # the tasks that it put first there

    @property
    def served_as(self) -> str:
        """The version of the predictions that Label Studio serves."""
        return self.over or self.round

    @property
    def origin(self) -> str:
        """The round that computed the order: another one where only the masks were changed since."""
        return self.order_of or self.round

    def asked_of(self, waited_for: Collection[int]) -> frozenset[int]:
        """The images of a batch that a person asked for, and that are waited for still:
        until they are labelled or skipped, neither labels nor the night bring another order."""
        return frozenset(self.batch).intersection(waited_for) if self.requested else frozenset()

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Of a file of this release or an earlier one; what a later one has added is passed over."""
        known = {each.name: content[each.name] for each in dataclasses.fields(cls) if each.name in content}
        queries = {
            int(task): Place.from_dict(place) for task, place in (content.get("queries") or {}).items()
        }
        return cls(**known | {"queries": queries})

    def to_dict(self) -> dict[str, object]:
        """As it stands in the file."""
        content = dataclasses.asdict(self) | {
            "queries": {str(task): place.to_dict() for task, place in self.queries.items()}
        }
        return {name: value for name, value in content.items() if value is not None}

    def save(self, storage: Storage, project_id: int, file: str = RECORD) -> None:
        """Keep it in its round's folder. Raises StorageError."""
        storage.write_json(f"{round_folder(project_id, self.round)}/{file}", self.to_dict())

    @classmethod
    def load(cls, storage: Storage, project_id: int, name: str, file: str = RECORD) -> Self | None:
        """The record of a round, None while there is none.
        Raises StorageError, also where it lacks what a record has."""
        where = f"{round_folder(project_id, name)}/{file}"
        content = storage.read_json(where)
        try:
            return None if content is None else cls.from_dict(content)
        except (TypeError, ValueError, AttributeError) as error:
            raise StorageError(
                f"{storage.path(where)} is no record of a round ({error}); bring it back from a backup, "
                f"or compute a new order: python -m backend recompute --project {project_id}"
            ) from error


def round_folder(project_id: int, name: str) -> str:
    """Where a round's files lie in the storage."""
    return f"projects/{project_id}/rounds/{name}"


def number_of(name: str) -> int:
    """7 of "v3.r7"; 0 for anything else."""
    number = name.rpartition(".r")[2]
    return int(number) if ".r" in name and number.isdigit() else 0


def round_names(storage: Storage, project_id: int) -> list[str]:
    """All rounds of a project in the storage, oldest first."""
    return sorted(
        (name for name in storage.names(f"projects/{project_id}/rounds") if number_of(name)), key=number_of
    )


def round_in_force(storage: Storage, project_id: int) -> RoundRecord | None:
    """The record of the round in force, None before the first. Raises StorageError."""
    pointer = storage.read_json(f"projects/{project_id}/current-round.json", fresh=True)
    return RoundRecord.load(storage, project_id, pointer["round"]) if pointer else None


def expected_dice(storage: Storage, project_id: int) -> dict[str, float]:
    """How well the best labelled image teaches each other one, as the order in force was decided, by task id;
    empty where images were not compared, and for orders of an earlier release. Raises StorageError."""
    record = round_in_force(storage, project_id)
    if record is None:
        return {}
    content = storage.read_json(f"{round_folder(project_id, record.origin)}/{EXPECTED}") or {}
    return {str(task): float(dice) for task, dice in (content.get("tasks") or {}).items()}


def put_in_force(storage: Storage, project_id: int, name: str) -> None:
    """From now on this round's order counts. Raises StorageError."""
    storage.write_json(f"projects/{project_id}/current-round.json", {"round": name})
