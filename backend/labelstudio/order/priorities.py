"""The order of a round becomes what Label Studio serves next:
one prediction per unlabelled task, holding its place and its mask.

Under "Uncertainty sampling" the next task is the one whose prediction of the project's current version has
the LOWEST score, the same for every annotator.
So a prediction's score is a place in the order, rank/(n+1), not a confidence.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from backend.errors import PriorityError
from backend.labelstudio.client import ID, IDS_A_PAGE, SCORE, UNLABELLED, LabelStudio
from backend.labelstudio.http.answers import Filter, condition
from backend.labelstudio.order.round_rows import import_rows, write_rows
from backend.labelstudio.order.rounds import Priority, Regions, is_round
from backend.labelstudio.task_numbers import list_tasks

MASKS_FOR_ALL = 500
"""Up to so many unlabelled tasks, each gets its mask at once."""
MASKS_AHEAD = 200
"""Above that, so many of the next tasks in the order hold a mask; `top_up` follows the annotators."""
WRITERS = 4
"""Requests at a time while masks are added to single predictions."""
_SAME = 1e-9

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WriteReport:
    """What `write_order` or `add_provisional` did."""

    round_name: str
    written: int  # predictions written by this call; 0 if an earlier one had written them
    masks: int  # of them with regions
    gone: tuple[int, ...] = ()  # task ids that are deleted or labelled meanwhile, ascending
    seconds: float = 0.0


def score_of(rank: int, count: int) -> float:
    """Score of rank 1 to `count`: rank / (count + 1)."""
    if not 1 <= rank <= count:
        raise ValueError(f"rank {rank} of {count} is not between 1 and {count}.")
    return rank / (count + 1)


def in_order(task_ids: Sequence[int], regions: Mapping[int, Regions] | None = None) -> list[Priority]:
    """Priorities of tasks in their order, first to be labelled first, with the masks that are known.
    Duplicates raise ValueError."""
    _check_unique(task_ids)
    known = regions or {}
    return [
        Priority(task, score_of(rank, len(task_ids)), known.get(task))
        for rank, task in enumerate(task_ids, start=1)
    ]


def masks_wanted(task_ids: Sequence[int]) -> list[int]:
    """Of an order over all unlabelled tasks, those that get a mask at once:
    all up to MASKS_FOR_ALL, else the first MASKS_AHEAD."""
    return list(task_ids if len(task_ids) <= MASKS_FOR_ALL else task_ids[:MASKS_AHEAD])


def write_order(
    client: LabelStudio,
    project_id: int,
    round_name: str,
    priorities: Sequence[Priority],
    *,
    checkpoint: Callable[[str], None] | None = None,
) -> WriteReport:
    """Put an order over the unlabelled tasks in force, under the version `round_name`.

    Imports all predictions, counts them in Label Studio, switches the project to the new version, and reads
    the order back.
    Until the switch the previous order is in force, whatever fails, and it is again if what is read back
    differs. Predictions of older rounds stay:
    an open page names the one it shows when it is submitted, and Label Studio refuses what names one that is
    gone (`superseded`).
    A second call with the same name and order repairs what a killed one left, and duplicates nothing.
    Deleted tasks are passed over.
    `checkpoint` is called with "imported" and "switched" after each step, and with "writing" now and then
    while the first takes long; raising in it stops there (a superseded round).
    Raises ValueError for scores outside (0, 1), duplicate tasks and a name that is no round's;
    PriorityError naming the tasks that Label Studio dropped.
    """
    started, tell = time.monotonic(), checkpoint or (lambda _: None)
    _check(round_name, priorities)
    previous = client.model_version(project_id)
    written: list[Priority] = []
    if previous != round_name:
        written = write_rows(client, project_id, round_name, previous, priorities, lambda: tell("writing"))
        tell("imported")
        if written:
            client.switch_version(project_id, round_name)
    gone = _verify(client, project_id, round_name, priorities, previous)
    tell("switched")
    masks = sum(bool(priority.regions) for priority in written)
    report = WriteReport(round_name, len(written), masks, gone, time.monotonic() - started)
    log.info(
        "order %s of %d tasks written, %d masks, %.1f s", round_name, len(written), masks, report.seconds
    )
    return report


def resume(client: LabelStudio, project_id: int, round_name: str) -> bool:
    """Serve a round again that may have been in force, so that writing it goes on from there;
    False if nothing of it is left.

    Its predictions may be open in a browser since, so that they must not be deleted and written anew.
    """
    if client.model_version(project_id) == round_name:
        return True
    if not client.versions(project_id).get(round_name):
        return False
    client.switch_version(project_id, round_name)
    return True


def order(client: LabelStudio, project_id: int) -> list[Priority]:
    """The order in force: unlabelled tasks with a place, first to be served first; their masks are not read.
    Empty if no round is in force."""
    if not is_round(client.model_version(project_id)):
        return []
    held = _placed(client, project_id)
    return [
        Priority(task, score) for task, score in sorted(held.items(), key=lambda item: (item[1], item[0]))
    ]


def next_tasks(client: LabelStudio, project_id: int, count: int) -> list[Priority]:
    """The first `count` of `order`, in two requests."""
    if not is_round(client.model_version(project_id)):
        return []
    ordering = ["tasks:predictions_score"]
    page = client.query(project_id, UNLABELLED, ordering=ordering, page_size=count, columns=SCORE)["tasks"]
    return [
        Priority(int(task["id"]), float(score))
        for task in page
        if (score := task.get("predictions_score")) is not None
    ]


def unplaced(client: LabelStudio, project_id: int) -> list[int]:
    """Ids of unlabelled tasks without a place in the order in force (imported since), ascending;
    all if no round is in force."""
    if not is_round(client.model_version(project_id)):
        return client.task_ids(project_id, "unlabelled")
    return _unplaced(client, project_id)


def unmasked(client: LabelStudio, project_id: int, *, drawn: Collection[int] = ()) -> list[int]:
    """Ids of the tasks that should hold a mask by now and do not, next to be served first.

    These are among the next MASKS_AHEAD tasks, or all where there are up to MASKS_FOR_ALL.
    Label Studio cannot tell which of a task's predictions draws something without sending all of them:
    pass the ids of those `drawn`, also where the mask shows nothing.
    """
    if not is_round(client.model_version(project_id)):
        return []
    count = client.count(project_id, "unlabelled")
    ahead = count if count <= MASKS_FOR_ALL else MASKS_AHEAD
    return [
        place.task_id for place in next_tasks(client, project_id, max(ahead, 1)) if place.task_id not in drawn
    ]


def add_provisional(client: LabelStudio, project_id: int, priorities: Sequence[Priority]) -> WriteReport:
    """Give tasks imported since the round a place in the order in force, so that none is served at random.

    Tasks that have a place already, are labelled or deleted, are passed over (`gone`).
    Raises PriorityError if no round is in force, or Label Studio dropped some.
    """
    started = time.monotonic()
    round_name = client.model_version(project_id)
    if not is_round(round_name):
        raise PriorityError(
            f"Project {project_id} has no round in force (its version is {round_name!r}); compute a new"
            " order first."
        )
    _check(round_name, priorities)
    waiting = set(unplaced(client, project_id))
    wanted = [priority for priority in priorities if priority.task_id in waiting]
    import_rows(client, project_id, round_name, wanted)
    if client.model_version(project_id) != round_name:  # a new round took over meanwhile
        raise PriorityError(
            f"Round {round_name} of project {project_id} was replaced while tasks were added to it; add them"
            " to the new one."
        )
    missing = set(unplaced(client, project_id)) & {priority.task_id for priority in wanted}
    if missing:
        raise PriorityError(
            f"Label Studio gave no place to {list_tasks(missing)} of project {project_id}; compute a new"
            " order."
        )
    gone = tuple(
        sorted({priority.task_id for priority in priorities} - {priority.task_id for priority in wanted})
    )
    masks = sum(bool(priority.regions) for priority in wanted)
    return WriteReport(round_name, len(wanted), masks, gone, time.monotonic() - started)


def top_up(client: LabelStudio, project_id: int, regions: Mapping[int, Regions]) -> int:
    """Show these masks on tasks (keys: task ids) that have a place in the order in force; the places stay.
    Returns how many were changed.

    Changes the prediction in place, about 0.15 s each, so that a task never has two of a version (the lower
    would count) nor none; where there are two nevertheless, either may be open, and both get it.
    Tasks that are deleted, or show that mask already, are passed over.
    """
    round_name = client.model_version(project_id)
    if not is_round(round_name):
        return 0

    def add(task: int) -> bool:
        wanted = list(regions[task])
        shown = client.task_regions(task, round_name)
        others = [each for each, before in shown.items() if before != wanted]
        return sum(client.update_prediction(each, result=wanted) for each in others) > 0

    with ThreadPoolExecutor(max_workers=WRITERS) as pool:
        return sum(pool.map(add, regions))


def _check(round_name: str, priorities: Sequence[Priority]) -> None:
    if not is_round(round_name):
        raise ValueError(f"the round's name is {round_name!r}, expected one such as 'v7.r3'.")
    _check_unique([priority.task_id for priority in priorities])
    wrong = [priority.task_id for priority in priorities if not 0 < priority.score < 1]
    if wrong:
        raise ValueError(
            f"the scores of {list_tasks(wrong)} are not between 0 and 1; Label Studio would drop them"
            " silently."
        )


def _check_unique(task_ids: Sequence[int]) -> None:
    if len(set(task_ids)) != len(task_ids):
        twice = {task for task in task_ids if task_ids.count(task) > 1}
        raise ValueError(f"{list_tasks(twice)} more than once, expected each task once.")


def _placed(client: LabelStudio, project_id: int) -> dict[int, float]:
    """Unlabelled tasks that have a place in the version in force, and their scores."""
    found = client.pages(project_id, [*UNLABELLED, _scored(True)], IDS_A_PAGE, SCORE)
    return {int(task["id"]): float(task["predictions_score"] or 0) for task in found}


def _scored(yes: bool) -> Filter:
    """Filter of tasks with a score in the version in force; it also makes Label Studio tell the score."""
    return condition("predictions_score", "empty", not yes)


def _verify(
    client: LabelStudio, project_id: int, round_name: str, priorities: Sequence[Priority], previous: str
) -> tuple[int, ...]:
    """Compare the order in force with the one wanted; returns the tasks that need none any more.
    Else the previous one comes back."""
    held = _placed(client, project_id)
    wanted = {priority.task_id: priority.score for priority in priorities}
    lacking = set(wanted) - set(held)
    missing = lacking & set(_unplaced(client, project_id)) if lacking else set()
    wrong = missing | {
        task for task, score in held.items() if task in wanted and abs(wanted[task] - score) > _SAME
    }
    if not wrong:
        return tuple(sorted(lacking))
    if previous != round_name:
        client.update_project(
            project_id, model_version=previous
        )  # its predictions stay: they were in force for a moment
    state = (
        "another order is in force under that name"
        if previous == round_name
        else "the previous order is in force again"
    )
    raise PriorityError(
        f"Round {round_name} of project {project_id} reads back differently for {list_tasks(wrong)}; {state}."
        " Compute a new order."
    )


def _unplaced(client: LabelStudio, project_id: int) -> list[int]:
    found = client.pages(project_id, [*UNLABELLED, _scored(False)], IDS_A_PAGE, ID)
    return [int(task["id"]) for task in found]
