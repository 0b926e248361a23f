"""The order of a round becomes what Label Studio serves next: one prediction per unlabelled task, holding its place and its mask.

Under "Uncertainty sampling" the next task is the one whose prediction of the project's current version has the LOWEST score, the same
for every annotator. So a prediction's score is a place in the order, rank/(n+1), not a confidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.labelstudio.client import LabelStudio

MASKS_FOR_ALL = 500
"""Up to so many unlabelled tasks, each gets its mask at once."""
MASKS_AHEAD = 200
"""Above that, so many of the next tasks in the order hold a mask; `top_up` follows the annotators."""


@dataclass(frozen=True)
class Priority:
    """The place of a task (lowest score first, in (0, 1)) and the mask drawn on it; `regions` None: none yet."""

    task_id: int
    score: float
    regions: Sequence[dict[str, Any]] | None = None


@dataclass(frozen=True)
class WriteReport:
    """What `write_order` or `add_provisional` did."""

    round_name: str
    written: int  # tasks that now have a place in the order
    masks: int  # of them with regions
    gone: tuple[int, ...]  # task ids deleted meanwhile, passed over
    removed: dict[str, int]  # predictions of older versions deleted
    seconds: float


@dataclass(frozen=True)
class Place:
    """A task's place in the order in force, as Label Studio holds it."""

    task_id: int
    score: float
    masked: bool


def score_of(rank: int, count: int) -> float:
    """Score of rank 1 to `count`: rank / (count + 1)."""
    raise NotImplementedError


def in_order(task_ids: Sequence[int], regions: Mapping[int, Sequence[dict[str, Any]]] | None = None) -> list[Priority]:
    """Priorities of tasks in their order, first to be labelled first, with the masks that are known. Duplicates raise ValueError."""
    raise NotImplementedError


def masks_wanted(task_ids: Sequence[int]) -> list[int]:
    """Of an order over all unlabelled tasks, those that get a mask at once: all up to MASKS_FOR_ALL, else the first MASKS_AHEAD."""
    raise NotImplementedError


def write_order(
    client: LabelStudio,
    project_id: int,
    round_name: str,
    priorities: Sequence[Priority],
    *,
    checkpoint: Callable[[str], None] | None = None,
) -> WriteReport:
    """Put an order over the unlabelled tasks in force, under the version `round_name`.

    Imports all predictions, compares them with what Label Studio then holds, switches the project to the new version, and deletes the
    other versions. Until the switch the previous order is in force, whatever fails; a second call with the same name and order repairs
    what a killed one left, and duplicates nothing. Deleted tasks are passed over. `checkpoint` is called with "imported", "switched",
    "cleaned" after each step; raising in it stops there (superseded rounds). Raises PriorityError naming the tasks that were dropped.
    """
    raise NotImplementedError


def order(client: LabelStudio, project_id: int) -> list[Place]:
    """The order in force: unlabelled tasks with a place, first to be served first. Empty if no round is in force."""
    raise NotImplementedError


def next_tasks(client: LabelStudio, project_id: int, count: int = 10) -> list[Place]:
    """The first `count` of `order`."""
    raise NotImplementedError


def unplaced(client: LabelStudio, project_id: int) -> list[int]:
    """Ids of unlabelled tasks without a place in the order in force (imported since), ascending."""
    raise NotImplementedError


def unmasked(client: LabelStudio, project_id: int) -> list[int]:
    """Ids of the tasks that should hold a mask by now and do not (see MASKS_AHEAD), next to be served first."""
    raise NotImplementedError


def add_provisional(client: LabelStudio, project_id: int, priorities: Sequence[Priority]) -> WriteReport:
    """Give tasks imported since the round a place in the order in force, so that none is served at random.

    Tasks that have a place already keep it. Raises PriorityError if no round is in force, or Label Studio dropped some.
    """
    raise NotImplementedError


def top_up(client: LabelStudio, project_id: int, regions: Mapping[int, Sequence[dict[str, Any]]]) -> int:
    """Add masks to tasks (keys: task ids) that hold only a place in the order in force; the places stay. Returns how many got one.

    Tasks labelled, deleted or masked meanwhile are passed over.
    """
    raise NotImplementedError
