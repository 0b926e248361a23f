"""What a live turn puts in force in a large project: the next tasks come first, with their masks, and all
others keep the places and masks that they have.

A label changes who comes next; to write thousands of predictions for it would keep Label Studio from
answering annotators. A round that a person asks for, and the nightly one, write the whole order.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence

from backend.labelstudio.order import priorities
from backend.labelstudio.order.next_places import find_misplaced, put_first
from backend.labelstudio.order.rounds import Regions
from backend.project.context import Context
from backend.project.explanation import explain
from backend.queue.progress import Progress
from backend.store.round_record import RoundRecord
from backend.store.shown_masks import DrawnMasks

log = logging.getLogger(__name__)

WHOLE = 100
"""Open tasks up to which a live turn writes an order over all of them."""
NEXT = 20
"""Tasks that are put first, or the batch where it is larger: those whose masks a live turn draws.
The turn after the next label puts others there."""


def can_change(context: Context, over: RoundRecord, count: int) -> bool:
    """Whether the next of `count` open tasks can be put first in the order in force, which is that of
    `over`."""
    return count > WHOLE and context.client.model_version(context.project_id) == over.served_as


def take_over(record: RoundRecord, over: RoundRecord, order: Sequence[int]) -> RoundRecord:
    """The record of a round whose next tasks, the first of an `order` over all open ones, are put first in
    the order of `over`, most of whose masks stay on show."""
    first = list(order[: max(NEXT, len(record.batch))])
    return dataclasses.replace(record, over=over.served_as, first=first, drawn_for=over.drawn_for)


def put_next(
    context: Context,
    record: RoundRecord,
    order: Sequence[int],
    regions: Mapping[int, Regions],
    progress: Progress,
) -> None:
    """Put the next tasks of a record first, and those of before where they are in the `order` over all open
    ones; safe to repeat with the same record."""
    started = time.monotonic()

    def start() -> None:
        progress.too_late_to_stop()
        DrawnMasks(context.storage, context.folder).show(record.round, over=True)

    progress.check()
    written = put_first(
        context.client,
        context.project_id,
        record.over,
        record.first,
        explain(regions, record, context.task_names),
        _scores(order),
        go_on=start,
    )
    log.info(
        "%s: the next tasks come first in %s, %d predictions written, %.1f s",
        record.round,
        record.over,
        written,
        time.monotonic() - started,
    )


def restore(context: Context, record: RoundRecord) -> bool:
    """Put the next tasks of the order in force first again, where a turn that was killed while it put others
    there has left both; returns whether that was so. The masks that it wrote stay, as they are newer."""
    if not find_misplaced(context.client, context.project_id, record.first):
        return False
    left = context.list_tasks().open
    order = [task for task in record.order if task in left]
    first = [task for task in record.first if task in left]
    put_first(context.client, context.project_id, record.over, first, {}, _scores(order))
    log.warning("%s: the next tasks come first again, among which others had been put", record.round)
    return True


def _scores(order: Sequence[int]) -> dict[int, float]:
    return {task: priorities.score_of(rank, len(order)) for rank, task in enumerate(order, start=1)}
