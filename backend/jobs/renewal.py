"""The masks of another version in the order in force:
a copy of its round under a new name, with the same places.

Label Studio is switched when everything is written and read back, so that whatever fails before leaves the
masks as they were.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from backend.errors import BackendError, FenceLostError, LabelStudioError
from backend.jobs.masks.predict_masks import draw, note_drawn
from backend.jobs.masks.refit import drawn_for
from backend.jobs.round import next_places
from backend.jobs.round.finish import reach_step, tell_round
from backend.jobs.round.preparation import prepare
from backend.labelstudio.order import priorities
from backend.labelstudio.order.rounds import Priority
from backend.project.context import Context
from backend.project.explanation import explain
from backend.queue.progress import Progress
from backend.store.round_record import RoundRecord, number_of, put_in_force, round_names
from backend.store.versions import now

log = logging.getLogger(__name__)


def next_round(context: Context, version: str) -> str:
    """A name that no round of the project has had, of masks of this version."""
    names = round_names(context.storage, context.project_id)
    return f"{version}.r{max(map(number_of, names), default=0) + 1}"


def read_places(context: Context, record: RoundRecord, name: str) -> list[Priority]:
    """The open tasks and their scores:
    as Label Studio serves them now, in the order of `record` or already in its copy `name`;
    as the record says where it serves something else."""
    if context.client.model_version(context.project_id) in (record.served_as, name):
        return priorities.order(context.client, context.project_id)
    still = set(context.client.task_ids(context.project_id, "unlabelled"))
    count = len(record.order)
    return [
        Priority(task, priorities.score_of(rank, count))
        for rank, task in enumerate(record.order, start=1)
        if task in still
    ]


def renew_masks(
    context: Context,
    progress: Progress,
    record: RoundRecord,
    places: Sequence[Priority],
    version: str,
    name: str,
    reason: str,
    on_switch: Callable[[], None] = lambda: None,
    *,
    most: int | None = None,
    seconds: float | None = None,
) -> list[int]:
    """Put a copy of the round of `record` in force as `name`, with the masks of `version`;
    returns the tasks that show one. The holder of the project's round fence calls it.

    places: the first to be served first.
    most: so many masks are drawn at most, in about so many `seconds`; the syncs draw the others.
    `on_switch` is called when Label Studio serves it, before the record says so.
    What fails before is taken back.
    """
    started = time.monotonic()
    tasks = [place.task_id for place in places]
    to_draw = priorities.masks_wanted(tasks)[:most]
    setup = context.setup()
    config, unmasked = setup.config, setup.unmasked
    drawn = draw(context, version, config, to_draw, progress, seconds=seconds)
    regions = drawn or {}
    if drawn is not None:
        unreadable = [int(task) for task in record.unreadable]
        note_drawn(context, name, to_draw if most is None else [*regions, *unreadable])
    reasons = {task: place.reason for task, place in record.queries.items()}
    prepare(context, name, version, config, tasks, regions, progress, unmasked=unmasked, reasons=reasons)
    regions = unmasked.hide(regions)
    shown = [task for task in to_draw if regions.get(task)]
    switched = False

    def checkpoint(step: str) -> None:
        nonlocal switched
        log.info("%s: %s", name, step)
        reach_step(context, progress, name, step)
        if step != "switched":
            return
        on_switch()
        switched = True
        after = dataclasses.replace(
            record,
            round=name,
            over="",
            first=[],
            version=version,
            drawn_for=drawn_for(config),
            time=now(),
            reason=reason,
            order_of=record.origin,
            masks=len(shown),
            answered=[],
            seconds=round(time.monotonic() - started, 1),
        )
        after.save(context.storage, context.project_id)
        put_in_force(context.storage, context.project_id, name)
        tell_round(context, after)

    progress("Writing the masks", 0, 1)
    shown_regions = explain(regions, record, context.task_names)
    entries = [Priority(place.task_id, place.score, shown_regions.get(place.task_id)) for place in places]
    try:
        progress.check()
        priorities.write_order(context.client, context.project_id, name, entries, checkpoint=checkpoint)
    except FenceLostError:
        raise  # what is there belongs to the run that took over
    except BackendError:
        if not switched:
            with suppress(
                LabelStudioError
            ):  # away: the sync brings the order in force back as soon as it is there again
                _take_back(context, name, record.served_as)
        raise
    return shown


def renew_next(
    context: Context,
    progress: Progress,
    record: RoundRecord,
    order: Sequence[int],
    version: str,
    name: str,
    reason: str,
    *,
    most: int,
    seconds: float,
) -> None:
    """Show the masks of `version` on the next tasks of `order`, that of the open tasks in `record`, where
    they are; the syncs draw the others. The holder of the project's round fence calls it."""
    started, setup = time.monotonic(), context.setup()
    config, unmasked = setup.config, setup.unmasked
    regions = draw(context, version, config, list(order[:most]), progress, seconds=seconds) or {}
    note_drawn(context, name, [*regions, *map(int, record.unreadable)])
    reasons = {task: place.reason for task, place in record.queries.items()}
    prepare(context, name, version, config, order, regions, progress, unmasked=unmasked, reasons=reasons)
    regions = unmasked.hide(regions)
    after = dataclasses.replace(
        next_places.take_over(record, record, order),
        round=name,
        version=version,
        time=now(),
        reason=reason,
        order_of=record.origin,
        masks=sum(map(bool, regions.values())),
        answered=[],
    )
    progress("Writing the masks", 0, 1)
    next_places.put_next(context, after, order, regions, progress)
    after = dataclasses.replace(after, seconds=round(time.monotonic() - started, 1))
    after.save(context.storage, context.project_id)
    put_in_force(context.storage, context.project_id, name)
    tell_round(context, after)


def _take_back(context: Context, name: str, in_force: str) -> None:
    """Have the order in force served again;
    what was written stays for a day, as somebody may have opened it meanwhile."""
    if context.client.model_version(context.project_id) == name:
        context.client.switch_version(context.project_id, in_force)
