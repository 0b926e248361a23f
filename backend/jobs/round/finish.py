"""The end of a ranking round: the order over all tasks, put in force in Label Studio wholly or not at all."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping

from backend.errors import TaskImageError
from backend.jobs.masks.predict_masks import draw, note_drawn
from backend.jobs.masks.refit import drawn_for
from backend.jobs.round import next_places
from backend.jobs.round.folder import RoundFolder, Snapshot
from backend.jobs.round.phases import Phases
from backend.jobs.round.preparation import prepare
from backend.labelstudio.order import priorities
from backend.labelstudio.order.rounds import Regions
from backend.project import missing_images
from backend.project.context import Context
from backend.project.explanation import explain
from backend.project.missing_images import Lacks
from backend.project.task_data import TaskImages
from backend.queue import pending_work, round_request
from backend.queue.pending_work import Work
from backend.queue.progress import Progress
from backend.queue.project_info import ProjectInfo, count_round
from backend.store.round_record import Place, RoundRecord, put_in_force, round_in_force, round_names
from backend.store.shown_masks import FOLDER as MASKS_FOLDER
from backend.store.shown_masks import DrawnMasks
from backend.store.versions import now
from model.errors import ModelError
from model.reason import Kind, Measure, Reason, describe_bound
from model.similarity.round import Round
from model.strategies import Query, Ranking, Strategy, get_strategy
from model.strategies.looks import Looks

log = logging.getLogger(__name__)

COLD_START = "typical and varied images by their looks"
"""What records call the order by looks of a cold start:
it is told from a strategy that a person chose."""

LIVE_MASKS = 20
"""Masks of the next images that a live turn draws before the order is in force, at most ..."""
LIVE_SECONDS = 2.5
"""... and in about so much time; syncs draw the others."""
Masks = Mapping[int, Regions]
"""Task id to the regions it shows."""
ROUNDS_KEPT = 5
"""Folders of earlier rounds that stay on disk ..."""
MASKS_KEPT = 20
"""... and of so many the masks that were on show, with which submitted labels are compared."""
CANCELLED_TOO_LATE = (
    "The round {round} was cancelled by a person when its order was being put in force already: it is in use."
    " Nothing starts by itself until the next label, or until you compute a new order."
)


def end_round(context: Context, progress: Progress, name: str) -> RoundRecord:
    """Put the order of a round in force and keep its record, which is returned;
    the holder of the project's round fence calls it. Safe to repeat.

    A live turn that finds what is in force already writes nothing, and returns that record.
    """
    started, phases = time.monotonic(), Phases()
    folder = RoundFolder(context, name)
    snapshot = folder.snapshot()
    served = context.client.model_version(context.project_id) == name
    if not served and DrawnMasks(context.storage, context.folder).was_shown(name):
        served = priorities.resume(context.client, context.project_id, name)
    if served:  # an earlier run of the job came as far as the switch
        progress.too_late_to_stop()
    progress.check()
    record = folder.record()
    new = record is None
    if record is None:
        record = folder.draft() if served else None
        regions: Masks = {}  # those of a draft are there already
        if record is None:
            ranking, snapshot = _ranking(folder, snapshot, progress)
            order = _order_of_all(context, snapshot, ranking, progress)
            phases.end("order")
            over = round_in_force(context.storage, context.project_id) if snapshot.work == Work.LIVE else None
            if over is not None and _is_same(over, snapshot, ranking, order):
                return over
            record, regions = _drafted(context, folder, snapshot, ranking, order, progress)
            if over is not None and next_places.can_change(context, over, len(order)):
                record = next_places.take_over(record, over, order)
            phases.end("masks")
        _put_in_force(context, record, regions, progress)
        phases.end("writing")
        record = dataclasses.replace(record, seconds=round(time.monotonic() - started, 1))
        record.save(context.storage, context.project_id)
    progress.check()
    put_in_force(context.storage, context.project_id, name)
    if new:
        count_round(context.redis, context.project_id)
    tell_round(context, record)
    if record.answered:
        context.redis.srem(context.keys.labelled, *record.answered)
    pending_work.finish(
        context.redis, context.project_id, Work(snapshot.work), pending_work.Begun(**snapshot.begun)
    )
    round_request.complete(context.redis, context.project_id, snapshot.asked)
    if context.redis.sismember(context.keys.cancelled, name):
        pending_work.pause(context.redis, context.project_id, CANCELLED_TOO_LATE.format(round=name))
    _clear_old(context, record)
    notes = record.notes
    bound = describe_bound(notes.get("value"), notes.get("upper_bound"), Measure.of_notes(notes))
    log.info(
        "%s in force, %d tasks in order, %s. %s %s", name, len(record.order), record.strategy, bound, phases
    )
    return record


def tell_round(context: Context, record: RoundRecord) -> None:
    """Tell the web processes which order is in force and since when, so that they need not look at the
    storage."""
    ProjectInfo(round=record.round, round_time=record.time).save(context.redis, context.project_id)


def _ranking(folder: RoundFolder, snapshot: Snapshot, progress: Progress) -> tuple[Ranking, Snapshot]:
    """The strategy's order over U, or the cold start's."""
    images = folder.images(snapshot)
    if not snapshot.unlabelled:
        return Ranking(()), snapshot
    if not snapshot.cold_start:
        try:
            folder.context.storage.get_folder(folder.folder)
            round_ = folder.round(snapshot, images, progress)
            strategy = get_strategy(snapshot.strategy, **snapshot.options)
            complete_units(strategy, round_)
            ranking = strategy.rank(round_, snapshot.batch_size)
            folder.keep()
            if round_.failed:
                first = next(iter(round_.failed.values()))
                why = (
                    f"{len(round_.failed)} networks could not be trained and are left out: {first}"
                    if strategy.units(round_)
                    else f"{len(round_.failed)} images could not be compared: {first}"
                )
                snapshot = dataclasses.replace(snapshot, message=why)
            return ranking, snapshot
        except (ModelError, TaskImageError) as error:
            log.warning("a cold start instead: %s", error)
            snapshot = dataclasses.replace(snapshot, cold_start=True, message=str(error))
    return _cold_ranking(folder, snapshot, images, progress), snapshot


def _cold_ranking(folder: RoundFolder, snapshot: Snapshot, images: TaskImages, progress: Progress) -> Ranking:
    """The order by looks of all images that can be read;
    one may have gone since the snapshot, and comes last."""
    round_ = folder.round(snapshot, images, progress)
    ranking = get_strategy(Looks.name).rank(round_, snapshot.batch_size)
    gone = [identity for identity in round_.ids if identity in round_.failed]
    if gone:
        log.warning("an image cannot be read any more: %s", round_.failed[gone[0]])
        missing_images.add(folder.context, Lacks.ORDER, gone)
    reason = Reason(Kind.LOOKS, note=snapshot.message)
    return Ranking(
        tuple(
            dataclasses.replace(query, reason=reason) if isinstance(query.reason, Reason) else query
            for query in ranking.queries
        )
    )


def complete_units(strategy: Strategy, round_: Round) -> None:
    """Do here what no worker has managed;
    a network that fails here as well is noted, and the ranking does without it if it can."""
    for unit in strategy.units(round_):
        try:
            strategy.run_unit(round_, unit)
        except (ModelError, TaskImageError, RuntimeError, ValueError, MemoryError) as error:
            round_.failed[unit] = str(error) or "not enough memory"
            log.error("%s is left out of the round: %s", unit, error)


def _order_of_all(context: Context, snapshot: Snapshot, ranking: Ranking, progress: Progress) -> list[int]:
    """All tasks that Label Studio would serve now, the next one first."""
    progress("Reading tasks", 0, 1)
    open_tasks = list(context.list_tasks().open)
    still = set(open_tasks)
    ranked = [int(identity) for identity in ranking.order if int(identity) in still]
    ranked += [int(identity) for identity in snapshot.further if int(identity) in still]
    placed = set(ranked)
    return ranked + [
        task for task in open_tasks if task not in placed
    ]  # imported since the snapshot, or labelled and still served


def _is_same(record: RoundRecord, snapshot: Snapshot, ranking: Ranking, order: list[int]) -> bool:
    """Whether the round in force has this order and batch, and masks of this version."""
    if record.version != snapshot.version or record.cold_start != snapshot.cold_start:
        return False
    still = set(order)
    if still & set(record.late):  # which nobody had compared
        return False
    batch = {int(query.image) for query in ranking.queries if query.in_batch}
    kept = [task for task in record.order if task in still]
    return kept == order and set(record.batch) & still == batch & still


def _drafted(
    context: Context,
    folder: RoundFolder,
    snapshot: Snapshot,
    ranking: Ranking,
    order: list[int],
    progress: Progress,
) -> tuple[RoundRecord, Masks]:
    """Draw the masks of the tasks in their order; returns the record to be and the regions by task."""
    answered = [int(member) for member in context.redis.smembers(context.keys.labelled)]
    still = set(order)
    known = {int(query.image) for query in ranking.queries} | set(map(int, snapshot.further))
    live = snapshot.work != Work.ROUND  # somebody waits
    to_draw = priorities.masks_wanted(order)[: LIVE_MASKS if live else None]
    setup = context.setup()  # as it is now: what does not fit it, Label Studio drops
    config, unmasked = setup.config, setup.unmasked
    seconds = LIVE_SECONDS if live else None
    tasks = {int(task["id"]): task for task in snapshot.tasks}
    drawn = draw(context, snapshot.version, config, to_draw, progress, tasks=tasks, seconds=seconds)
    regions = drawn or {}
    if drawn is not None:
        unreadable = [int(task) for task in snapshot.unreadable]
        note_drawn(context, folder.name, [*regions, *unreadable] if live else to_draw)
    prepare(
        context,
        folder.name,
        snapshot.version,
        config,
        order,
        regions,
        progress,
        tasks=tasks,
        comparison=ranking.comparison,
        expected=ranking.expected,
        labelled=snapshot.labelled,
        unmasked=unmasked,
        reasons={int(query.image): query.reason for query in ranking.queries},
    )
    regions = unmasked.hide(regions)
    record = RoundRecord(
        round=folder.name,
        time=now(),
        version=snapshot.version,
        order=order,
        # Also those answered while the round ran:
        # a batch that is wholly answered by its end is a finished one.
        batch=[int(query.image) for query in ranking.queries if query.in_batch],
        reason=snapshot.reason,
        strategy=COLD_START if snapshot.cold_start else snapshot.strategy,
        budget=snapshot.budget,
        cold_start=snapshot.cold_start,
        message=snapshot.message,
        drawn_for=drawn_for(config),
        seed=snapshot.seed,
        labels=[int(identity) for identity in snapshot.labelled],
        unusable=list(snapshot.unusable),
        queries={int(query.image): _place(query) for query in ranking.queries if int(query.image) in still},
        unreadable=snapshot.unreadable,
        notes=dict(ranking.notes),
        masks=sum(bool(regions.get(task)) for task in order),
        answered=answered,
        late=[task for task in order if task not in known],
        tasks=len(order),
        learnt=snapshot.learnt,
        requested=snapshot.requested,
    )
    folder.save_draft(record)
    return record, regions


def reach_step(context: Context, progress: Progress, name: str, step: str) -> None:
    """What each `step` of writing the order `name` to Label Studio means for the job that writes it.
    Raises what ends the job, which can be cancelled no more once all is "imported"."""
    progress.check()
    if step == "writing":
        return
    progress.too_late_to_stop()  # the switch and what follows belong together
    if step == "imported":
        DrawnMasks(context.storage, context.folder).show(name)


def _put_in_force(context: Context, record: RoundRecord, regions: Masks, progress: Progress) -> None:
    """Write the order and its masks to Label Studio; safe to repeat with the same record."""
    name = record.round

    def checkpoint(step: str) -> None:
        reach_step(context, progress, name, step)
        if step != "writing":
            log.info("the order is %s", step)

    progress("Writing the order", 0, 1)
    progress.check()
    if record.over:
        next_places.put_next(context, record, record.order, regions, progress)
    elif record.order:
        explained = explain(regions, record, context.task_names)
        entries = priorities.in_order(record.order, explained)
        priorities.write_order(context.client, context.project_id, name, entries, checkpoint=checkpoint)


def _clear_old(context: Context, record: RoundRecord) -> None:
    """Delete what rounds long past were made from; the records of all stay, and the masks of some more, as
    an annotator may have one open for many labels of others."""
    storage, names = context.storage, round_names(context.storage, context.project_id)
    drawn = [*names[-MASKS_KEPT:], record.served_as]  # most of whose masks are on show, however long ago
    for name in names[:-ROUNDS_KEPT]:
        folder = RoundFolder(context, name)
        if (before := folder.record()) is not None:
            storage.write_json(f"{context.folder}/history/{name}.json", before.to_dict())
        kept = [MASKS_FOLDER] if name in drawn else []
        for part in set(storage.names(folder.folder)) - set(kept):
            storage.remove(f"{folder.folder}/{part}")
        if not kept:
            storage.remove(folder.folder)


def _place(query: Query) -> Place:
    return Place(query.rank, query.reason, query.expected_dice, tuple(int(image) for image in query.helps))
