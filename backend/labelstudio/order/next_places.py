"""The next tasks of a large project, put before all others in the order that is in force.

A whole order is one new prediction for each open task: with thousands of tasks that takes Label Studio
minutes, at once or when the superseded ones go. A label changes who comes next, so only the next tasks get
another place and mask, in the predictions that they have: pages that show one stay valid.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

from backend.errors import PriorityError
from backend.labelstudio.client import ID, IDS_A_PAGE, SCORE, UNLABELLED, LabelStudio
from backend.labelstudio.http.answers import condition
from backend.labelstudio.order.priorities import next_tasks
from backend.labelstudio.order.round_rows import import_rows
from backend.labelstudio.order.rounds import Priority, Regions
from backend.labelstudio.task_numbers import list_tasks

FRONT = 1e-7
"""The next tasks have scores below; those of a whole order, rank / (n + 1), are above."""
WRITERS = 4
"""Requests to Label Studio at a time."""
_SAME = 1e-12

log = logging.getLogger(__name__)


def put_first(
    client: LabelStudio,
    project_id: int,
    in_force: str,
    first: Sequence[int],
    regions: Mapping[int, Regions],
    places_behind: Mapping[int, float],
    *,
    go_on: Callable[[], None] = lambda: None,
) -> int:
    """Have the tasks `first` served before all others, in their order, with the `regions` given by task id;
    returns how many predictions were written.

    in_force: the version that Label Studio serves. places_behind: scores of the tasks that an earlier call
    put first and this one does not, by task id. What is the same already is not written. Safe to repeat;
    tasks that are gone are passed over. `go_on` is called before anything is written, and may raise.
    Raises PriorityError where another order is served, or Label Studio serves another task first afterwards.
    """
    front = _read_front(client, project_id)
    scores = {task: FRONT * rank / (len(first) + 1) for rank, task in enumerate(first, start=1)}
    scores |= {task: places_behind.get(task, 0.5) for task in front if task not in scores}
    changed = [
        task
        for task, score in scores.items()
        if task in regions or task not in front or abs(front[task] - score) > _SAME
    ]
    _require(client, project_id, in_force)
    go_on()

    def write(task: int) -> int | None:
        rows = [row.id for row in client.task_predictions(task) if row.model_version == in_force]
        fields: dict[str, object] = {"score": scores[task]}
        if task in regions:
            fields["result"] = list(regions[task])
        return sum(client.update_prediction(row, **fields) for row in rows) if rows else None

    with ThreadPoolExecutor(WRITERS) as pool:
        written = dict(zip(changed, pool.map(write, changed), strict=True))
    if lacking := [task for task, count in written.items() if count is None]:  # imported since, or deleted
        there = set(client.task_ids(project_id, "unlabelled"))
        new = [Priority(task, scores[task], regions.get(task)) for task in lacking if task in there]
        import_rows(client, project_id, in_force, new)
        written |= dict.fromkeys((priority.task_id for priority in new), 1)
    _require(client, project_id, in_force)
    _verify(client, project_id, first)
    return sum(count or 0 for count in written.values())


def _read_front(client: LabelStudio, project_id: int) -> dict[int, float]:
    """The open tasks that an earlier call put first, and their scores."""
    below = condition("predictions_score", "less", FRONT)
    found = client.pages(project_id, [*UNLABELLED, below], IDS_A_PAGE, SCORE)
    return {int(task["id"]): float(task["predictions_score"] or 0) for task in found}


def _require(client: LabelStudio, project_id: int, in_force: str) -> None:
    serving = client.model_version(project_id)
    if serving != in_force:
        raise PriorityError(
            f"Project {project_id} is served {serving or 'nothing'!r}, expected {in_force}; compute a new"
            " order."
        )


def find_misplaced(client: LabelStudio, project_id: int, first: Sequence[int]) -> list[int]:
    """Those of the tasks `first` that are not served first, in this order; those that are labelled or deleted
    need not be."""
    served = [place.task_id for place in next_tasks(client, project_id, len(first))] if first else []
    placed = set(served)
    still = [task for task in first if task in placed or _is_open(client, project_id, task)]
    return [task for task, other in zip_longest(still, served[: len(still)]) if task != other]


def _is_open(client: LabelStudio, project_id: int, task: int) -> bool:
    alone = condition("id", "equal", task)
    return bool(client.query(project_id, [*UNLABELLED, alone], page_size=1, columns=ID)["tasks"])


def _verify(client: LabelStudio, project_id: int, first: Sequence[int]) -> None:
    """Raise PriorityError unless what is served first are those tasks, less those that are gone."""
    if wrong := find_misplaced(client, project_id, first):
        raise PriorityError(
            f"Label Studio serves project {project_id} in another order than was written, from"
            f" {list_tasks(wrong[:1])} on; the next label, or recomputing the queries, writes it again."
        )
