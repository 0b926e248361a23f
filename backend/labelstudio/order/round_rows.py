"""The predictions of a new round, written beside those of the rounds before it, which may be open in a
browser.

Imports write a thousand a second, so each order is imported anew.
Where a task holds as many predictions of superseded orders as are kept, its oldest is written over instead:
that takes 50 ms of Label Studio's time a task, and keeps the id that an open page names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from backend.errors import LabelStudioError, PriorityError
from backend.labelstudio.client import ID, IDS_A_PAGE, UNLABELLED, LabelStudio
from backend.labelstudio.http.answers import NewPrediction, condition
from backend.labelstudio.order.rounds import Priority, is_round, round_number
from backend.labelstudio.task_numbers import list_tasks

KEPT = 10
"""Predictions of superseded orders that a task keeps at most:
a click in the Data Manager lists each of them as a tab."""
KEPT_ROWS = 10_000
"""Of all tasks. Label Studio reads all predictions of the tasks that it lists, whatever it is asked for:
80 ms for 1,000 without a mask."""
KEPT_BYTES = 16 << 20
"""Of their regions:
27 kB, an image of 512 pixels, take 0.8 ms and 100 kB of Label Studio's memory in each list."""
CHUNK = 2500
"""Predictions per import.
Each import makes Label Studio count the predictions of ALL tasks of the project anew, so few large ones are
faster: 10,000 tasks in chunks of 500 took 107 s."""
CHUNK_BYTES = 16 << 20
"""Bytes of regions per import; Label Studio holds a request in memory several times."""
WRITERS = 2
"""Requests at a time while predictions are written over:
more are hardly faster, and annotators wait for them."""
BATCH = 20
"""Of them, before it is asked whether to go on."""


def write_rows(
    client: LabelStudio,
    project_id: int,
    round_name: str,
    in_force: str,
    priorities: Sequence[Priority],
    go_on: Callable[[], None],
) -> list[Priority]:
    """Write a round that has never been in force, and count it; returns what was written.
    Deleted tasks are passed over.

    `go_on` raises to stop.
    After LabelStudioError nothing is left of the round, unless predictions were written over or it is away.
    """
    most = kept(priorities)
    crowded = set(_crowded(client, project_id, most))
    if crowded:
        return _write_over(client, project_id, round_name, in_force, priorities, most, crowded, go_on)
    client.delete_version(project_id, round_name)  # what a killed call left
    try:
        return _import_anew(client, project_id, round_name, priorities)
    except LabelStudioError:
        with suppress(LabelStudioError):  # away: what there is goes a day later
            client.delete_version(project_id, round_name)
        raise


def kept(priorities: Sequence[Priority]) -> int:
    """How many predictions of superseded orders each task keeps, where an order is like this one;
    one at least, that shown until now."""
    weight = sum(_weight(priority) for priority in priorities if priority.regions)
    return max(1, min(KEPT, KEPT_ROWS // max(len(priorities), 1), KEPT_BYTES // max(weight, 1)))


def import_rows(
    client: LabelStudio, project_id: int, round_name: str, priorities: Sequence[Priority]
) -> None:
    """Import predictions of a round. Raises PriorityError naming the tasks that Label Studio dropped."""
    for chunk in _chunks(round_name, priorities):
        created = client.import_predictions(project_id, chunk)
        if created != len(chunk):
            dropped = {int(item["task"]) for item in chunk} - set(client.holding(project_id, round_name))
            raise PriorityError(
                f"Label Studio took {created} of {len(chunk)} predictions of project {project_id} and"
                f" silently dropped {list_tasks(dropped)}: their regions do not fit its labelling"
                " configuration, which may have changed. The previous order stays in force; compute a new"
                " order."
            )


def _import_anew(
    client: LabelStudio, project_id: int, round_name: str, priorities: Sequence[Priority]
) -> list[Priority]:
    wanted = list(priorities)
    try:
        import_rows(client, project_id, round_name, wanted)
    except LabelStudioError as error:
        if error.status != 400:
            raise
        existing = set(
            client.task_ids(project_id)
        )  # a single deleted task makes Label Studio refuse all of them
        wanted = [priority for priority in priorities if priority.task_id in existing]
        client.delete_version(project_id, round_name)
        if len(wanted) == len(priorities):
            raise
        import_rows(client, project_id, round_name, wanted)
    return _counted(client, project_id, round_name, wanted)


def _write_over(
    client: LabelStudio,
    project_id: int,
    round_name: str,
    in_force: str,
    priorities: Sequence[Priority],
    most: int,
    crowded: set[int],
    go_on: Callable[[], None],
) -> list[Priority]:
    """Write the rows of `crowded` tasks over their oldest ones, and import the others;
    what an earlier call wrote is written again."""
    existing = set(client.task_ids(project_id))
    wanted = [priority for priority in priorities if priority.task_id in existing]
    begun = set(client.holding(project_id, round_name))
    slow = [priority for priority in wanted if priority.task_id in crowded | begun]
    lacking = [priority for priority in wanted if priority.task_id not in crowded | begun]
    with ThreadPoolExecutor(WRITERS) as pool:
        for start in range(0, len(slow), BATCH):
            batch = slow[start : start + BATCH]
            done = pool.map(
                lambda priority: _over_oldest(client, round_name, in_force, priority, most), batch
            )
            lacking += [priority for priority, written in zip(batch, done, strict=True) if not written]
            go_on()
    import_rows(client, project_id, round_name, lacking)
    return _counted(client, project_id, round_name, wanted)


def _over_oldest(client: LabelStudio, round_name: str, in_force: str, priority: Priority, most: int) -> bool:
    """Write a task's row over what an earlier call has written, or over its oldest;
    False while it keeps fewer than `most`."""
    rows = [
        item
        for item in client.task_predictions(priority.task_id)
        if is_round(item.model_version) and item.model_version != in_force
    ]
    mine = [item for item in rows if item.model_version == round_name]
    old = sorted(
        (item for item in rows if item.model_version != round_name),
        key=lambda item: (round_number(item.model_version), item.id),
    )
    if not mine and len(old) < most:
        return False
    fields = {"score": priority.score, "result": list(priority.regions or ()), "model_version": round_name}
    return client.update_prediction((mine or old)[0].id, **fields)


def _crowded(client: LabelStudio, project_id: int, most: int) -> Iterator[int]:
    """Open tasks with so many predictions, whosesoever, that `most` of superseded orders may be among
    them."""
    many = condition("total_predictions", "greater", most)
    return (int(task["id"]) for task in client.pages(project_id, [*UNLABELLED, many], IDS_A_PAGE, ID))


def _counted(client: LabelStudio, project_id: int, round_name: str, wanted: list[Priority]) -> list[Priority]:
    """Those of `wanted` that Label Studio holds.
    Raises PriorityError if one of a task that is there is missing, or there twice."""
    stored = client.versions(project_id).get(round_name, 0)
    if stored == len(wanted):
        return wanted
    # Fewer: deleted with their tasks since. More: somebody else writes the same round.
    held = set(client.holding(project_id, round_name))
    missing = ({priority.task_id for priority in wanted} - held) & set(client.task_ids(project_id))
    if missing or stored > len(held):
        found = f"lacks {list_tasks(missing)}" if missing else "holds some tasks twice"
        raise PriorityError(
            f"Round {round_name} of project {project_id} {found}, expected each of {len(wanted)} tasks once;"
            " the previous order stays in force. Another process may write the same round; compute a new"
            " order."
        )
    return [priority for priority in wanted if priority.task_id in held]


def _chunks(round_name: str, priorities: Sequence[Priority]) -> Iterator[list[NewPrediction]]:
    chunk: list[NewPrediction] = []
    size = 0
    for priority in priorities:
        regions = list(priority.regions or ())
        item: NewPrediction = {
            "task": priority.task_id,
            "result": regions,
            "score": priority.score,
            "model_version": round_name,
        }
        weight = _weight(priority)
        if chunk and (len(chunk) == CHUNK or size + weight > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += weight
    if chunk:
        yield chunk


def _weight(priority: Priority) -> int:
    """Bytes of its regions as Label Studio gets them."""
    return len(json.dumps(list(priority.regions or ()), separators=(",", ":")))
