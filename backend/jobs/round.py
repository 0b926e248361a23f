"""A ranking round in three kinds of jobs: its start (snapshot, pseudo-labels), its units (one network each), and its end (the order).

What a round is computed from and what is finished of it lies in a folder of its own in the storage, so that any worker may do any part,
a part that is done stays done, and a job that runs twice finds what the first run left.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backend.cold_start import NAME as COLD_START
from backend.cold_start import cold_order
from backend.errors import SupersededError, TaskImageError
from backend.insight.drawn import DrawnMasks
from backend.insight.preparation import prepare
from backend.jobs import asked, events
from backend.jobs.connection import KEPT_SECONDS, as_text
from backend.jobs.context import Context, Setup
from backend.jobs.drawing import draw, note_blank
from backend.jobs.events import Work
from backend.jobs.progress import Progress
from backend.jobs.records import RECORD, number_of, round_names
from backend.jobs.round_folder import LABELS, SNAPSHOT, RoundFolder, Snapshot
from backend.jobs.snapshot import TaskImages, read_labels, save_masks
from backend.labelstudio import priorities
from backend.labelstudio.annotations import chosen
from backend.settings import FEWEST_LABELS_TO_RANK
from backend.versions import NO_VERSION, now
from model.errors import ModelError
from model.round import Round
from model.strategies import Query, Ranking, Strategy, get_strategy

log = logging.getLogger(__name__)

Masks = Mapping[int, priorities.Regions]
"""Task id to the regions it shows."""
ROUNDS_KEPT = 5
"""Folders of earlier rounds that stay on disk."""
CANCELLED_TOO_LATE = (
    "The round {round} was cancelled by a person when its order was being put in force already: it is in use. "
    "Nothing starts by itself until the next label, or until you recompute the queries."
)


def wanted(context: Context, name: str) -> Callable[[], None]:
    """A check that raises SupersededError once a newer round than `name` has begun."""

    def check() -> None:
        newest = as_text(context.redis.get(context.keys.wanted_round) or name)
        if newest != name:
            raise SupersededError(f"The round {name} is superseded by {newest}.")

    return check


def begin_round(context: Context, progress: Progress, *, job_id: str, reason: str) -> RoundFolder:
    """Take the snapshot of a round and make it the wanted one; the holder of the project's round fence calls it.

    A second run of the same job finds the snapshot of the first.
    """
    # Noted first: what is asked for or changes from now on may not be in this round, and who asks for a round is told by this.
    context.redis.hset(context.keys.jobs, "snapshotted", job_id)
    context.redis.hset(context.keys.jobs, "snapshotted_setup", context.redis.hget(context.keys.info, "setup") or "")
    context.redis.hdel(context.keys.jobs, "snapshotted_options")
    names = round_names(context)
    for name in reversed(names):
        folder = RoundFolder(context, name)
        content = context.storage.read_json(f"{folder.folder}/{SNAPSHOT}")
        if content is not None and content["job"] == job_id:
            break
    else:
        setup = context.setup()
        version = context.versions.current() or NO_VERSION
        number = max((number_of(name) for name in names), default=0) + 1
        folder = RoundFolder(context, f"{version}.r{number}")
        _take_snapshot(context, setup, folder, progress, version=version, job_id=job_id, reason=reason)
    snapshot = folder.snapshot()
    options = json.dumps({"budget": snapshot.budget, "strategy": snapshot.strategy})
    context.redis.hset(context.keys.jobs, "snapshotted_options", options)
    context.redis.set(context.keys.wanted_round, folder.name)
    return folder


def _take_snapshot(
    context: Context, setup: Setup, folder: RoundFolder, progress: Progress, *, version: str, job_id: str, reason: str
) -> None:
    begun = events.begin(context.redis, context.project_id, Work.ROUND)
    wish = asked.standing(context.redis, context.project_id)
    setup = dataclasses.replace(setup, options=wish.over(setup.options))
    labels = read_labels(context, setup, progress)
    pool = [{"id": task["id"], "data": task["data"]} for task in context.client.tasks(context.project_id, "unlabelled") if not chosen(task)]
    compared, further = _limited(pool, context.settings.max_images, setup.options.seed)
    images = TaskImages(context, setup.config, compared, setup.recipe.max_side)
    unreadable = images.unreadable(progress)
    for identity, text in unreadable.items():
        log.warning("task %s takes no part in %s: %s", identity, folder.name, text)
    context.note("images", _about_images(unreadable))
    known = {str(task["id"]): task for task in compared if str(task["id"]) not in unreadable}
    known |= {identity: labels.tasks[identity] for identity in labels.masks}
    options = {"candidates": setup.options.candidates} if setup.options.candidates is not None else {}
    snapshot = Snapshot(
        round=folder.name,
        job=job_id,
        created=now(),
        reason=reason,
        version=version,
        strategy=setup.options.strategy,
        options={key: value for key, value in options.items() if key in get_strategy(setup.options.strategy).options()},
        budget=setup.options.budget,
        # The same labels give the same order; other labels draw other candidates.
        seed=setup.options.seed + len(labels.masks),
        recipe=setup.recipe.to_dict(),
        label_config=setup.project.label_config,
        tasks=sorted(known.values(), key=lambda task: int(task["id"])),
        labelled=labels.ids,
        further=[str(task["id"]) for task in further] + sorted(unreadable, key=int),
        unreadable=unreadable,
        begun=dataclasses.asdict(begun),
        asked=wish.id,
    )
    beside = folder.path / f".{LABELS}"
    save_masks(beside, {identity: labels.masks[identity] for identity in snapshot.labelled})
    context.storage.move_in(beside, f"{folder.folder}/{LABELS}")
    folder.save(_with_cold_start(snapshot))


def _with_cold_start(snapshot: Snapshot) -> Snapshot:
    """The snapshot as a cold start where there is too little for a strategy."""
    count = len(snapshot.labelled)
    if snapshot.version == NO_VERSION:
        return dataclasses.replace(snapshot, cold_start=True, message="there is no model yet")
    if count < FEWEST_LABELS_TO_RANK:
        return dataclasses.replace(snapshot, cold_start=True, message=f"{count} labels, expected at least {FEWEST_LABELS_TO_RANK}")
    return snapshot


def prepare_units(folder: RoundFolder, snapshot: Snapshot, progress: Progress) -> tuple[Snapshot, list[str]]:
    """Draw the pseudo-labels and list the strategy's units; where it cannot work, the round becomes a cold start, with a message."""
    if snapshot.cold_start or not snapshot.unlabelled:
        return snapshot, []
    round_ = folder.round(snapshot, folder.images(snapshot), progress)
    try:
        strategy = _strategy(snapshot)
        round_.check_budget(_budget(snapshot))
        units = list(strategy.units(round_))
    except ModelError as error:
        log.warning("a cold start instead: %s", error)
        snapshot = dataclasses.replace(snapshot, cold_start=True, message=str(error))
        folder.save(snapshot)
        units = []
    folder.keep()
    return snapshot, units


def run_unit(context: Context, progress: Progress, name: str, unit: str) -> None:
    """Train one network of a round and keep what it tells; does nothing when that is done."""
    folder = RoundFolder(context, name)
    snapshot = folder.snapshot()
    context.storage.get(f"{folder.folder}/rows/{unit.encode().hex()[-200:]}.json")
    round_ = folder.round(snapshot, folder.images(snapshot), progress)
    _strategy(snapshot).run_unit(round_, unit)
    progress.check()
    folder.keep()
    with context.redis.pipeline() as pipe:
        pipe.sadd(context.keys.rows(name), unit)
        pipe.expire(context.keys.rows(name), KEPT_SECONDS)
        pipe.execute()


def end_round(context: Context, progress: Progress, name: str) -> dict[str, Any]:
    """Put the order of a round in force and keep its record; the holder of the project's round fence calls it. Safe to repeat."""
    started = time.monotonic()
    folder = RoundFolder(context, name)
    snapshot = folder.snapshot()
    served = context.client.project(context.project_id).model_version == name
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
            record, regions = _drafted(context, folder, snapshot, ranking, progress)
        _put_in_force(context, record, regions, progress)
        record["seconds"] = round(time.monotonic() - started, 1)
        context.storage.write_json(f"{folder.folder}/{RECORD}", record)
    progress.check()
    context.storage.write_json(f"{context.folder}/current-round.json", {"round": name})
    if new:
        context.redis.hincrby(context.keys.info, "rounds_written", 1)
    tell_round(context, record)
    if record["answered"]:
        context.redis.srem(context.keys.labelled, *record["answered"])
    events.finish(context.redis, context.project_id, Work.ROUND, events.Begun(**snapshot.begun))
    asked.fulfil(context.redis, context.project_id, snapshot.asked)
    if context.redis.sismember(context.keys.cancelled, name):
        events.hold(context.redis, context.project_id, CANCELLED_TOO_LATE.format(round=name))
    _clear_old(context)
    log.info("%s in force, %d tasks in order, %s", name, len(record["order"]), record["strategy"])
    return record


def tell_round(context: Context, record: dict[str, Any]) -> None:
    """Tell the web processes which order is in force and since when, so that they need not look at the storage."""
    context.redis.hset(context.keys.info, mapping={"round": record["round"], "round_time": record["time"]})


def _ranking(folder: RoundFolder, snapshot: Snapshot, progress: Progress) -> tuple[Ranking, Snapshot]:
    """The strategy's order over U, or the cold start's."""
    images = folder.images(snapshot)
    if not snapshot.unlabelled:
        return Ranking(()), snapshot
    if not snapshot.cold_start:
        try:
            folder.context.storage.get_folder(folder.folder)
            round_ = folder.round(snapshot, images, progress)
            strategy = _strategy(snapshot)
            complete_units(strategy, round_)
            ranking = strategy.rank(round_, _budget(snapshot))
            folder.keep()
            if round_.failed:
                why = f"{len(round_.failed)} networks could not be trained and are left out: {next(iter(round_.failed.values()))}"
                snapshot = dataclasses.replace(snapshot, message=why)
            return ranking, snapshot
        except (ModelError, TaskImageError) as error:
            log.warning("a cold start instead: %s", error)
            snapshot = dataclasses.replace(snapshot, cold_start=True, message=str(error))
    order = cold_order(images, snapshot.labelled, progress)
    reason = f"chosen by its looks, unlike those labelled or before it ({snapshot.message})"
    queries = tuple(Query(image, rank, rank <= _budget(snapshot), reason) for rank, image in enumerate(order, start=1))
    return Ranking(queries), snapshot


def complete_units(strategy: Strategy, round_: Round) -> None:
    """Do here what no worker has managed; a network that fails here as well is noted, and the ranking does without it if it can."""
    for unit in strategy.units(round_):
        try:
            strategy.run_unit(round_, unit)
        except (ModelError, TaskImageError, RuntimeError, ValueError) as error:
            round_.failed[unit] = str(error)
            log.error("%s is left out of the round: %s", unit, error)


def _drafted(
    context: Context, folder: RoundFolder, snapshot: Snapshot, ranking: Ranking, progress: Progress
) -> tuple[dict[str, Any], Masks]:
    """Order all tasks that Label Studio would serve now and draw their masks; returns the record to be and the regions by task."""
    progress("Reading tasks", 0, 1)
    answered = [int(member) for member in context.redis.smembers(context.keys.labelled)]
    open_tasks = context.client.task_ids(context.project_id, "unlabelled")
    still = set(open_tasks)
    ranked = [int(identity) for identity in ranking.order if int(identity) in still]
    ranked += sorted(int(identity) for identity in snapshot.further if int(identity) in still)
    placed = set(ranked)
    order = ranked + [task for task in open_tasks if task not in placed]  # imported since the snapshot, or labelled and still served
    to_draw = priorities.masks_wanted(order)
    regions = draw(context, snapshot.version, snapshot.config, to_draw, progress)
    if snapshot.version != NO_VERSION:
        note_blank(context, folder.name, [task for task in to_draw if not regions.get(task)])
    prepare(
        context,
        folder.name,
        snapshot.version,
        snapshot.config,
        order,
        regions,
        progress,
        tasks={int(task["id"]): task for task in snapshot.tasks},
        comparison=ranking.comparison,
        labelled=snapshot.labelled,
    )

    queries = {int(query.image): query for query in ranking.queries}
    record = {
        "round": folder.name,
        "time": now(),
        "reason": snapshot.reason,
        "strategy": COLD_START if snapshot.cold_start else snapshot.strategy,
        "budget": snapshot.budget,
        "cold_start": snapshot.cold_start,
        "message": snapshot.message,
        "version": snapshot.version,
        "seed": snapshot.seed,
        "labels": [int(identity) for identity in snapshot.labelled],
        "order": order,
        # Also those answered while the round ran: a batch that is wholly answered by its end is a finished one.
        "batch": [int(query.image) for query in ranking.queries if query.in_batch],
        "queries": {str(task): _explained(query) for task, query in queries.items() if task in still},
        "unreadable": snapshot.unreadable,
        "notes": ranking.notes,
        "masks": sum(bool(regions.get(task)) for task in order),
        "answered": answered,
        "tasks": len(order),
    }
    folder.save_draft(record)
    return record, regions


def _put_in_force(context: Context, record: dict[str, Any], regions: Masks, progress: Progress) -> None:
    """Write the order and its masks to Label Studio; safe to repeat with the same record."""
    name, order = str(record["round"]), record["order"]

    def checkpoint(step: str) -> None:
        progress.check()
        progress.too_late_to_stop()  # the switch and what follows belong together
        if step == "imported":
            DrawnMasks(context.storage, context.folder).show(name)
        log.info("the order is %s", step)

    progress("Writing the order", 0, 1)
    progress.check()
    if order:
        entries = priorities.in_order(order, regions)
        priorities.write_order(context.client, context.project_id, name, entries, checkpoint=checkpoint)


def _clear_old(context: Context) -> None:
    """Delete the folders of rounds long past; the records of all stay."""
    for name in round_names(context)[:-ROUNDS_KEPT]:
        folder = RoundFolder(context, name)
        record = folder.record()
        if record is not None:
            context.storage.write_json(f"{context.folder}/history/{name}.json", record)
        context.storage.remove(folder.folder)


def _strategy(snapshot: Snapshot) -> Strategy:
    return get_strategy(snapshot.strategy, **snapshot.options)


def _budget(snapshot: Snapshot) -> int:
    return min(snapshot.budget, len(snapshot.unlabelled))


def _limited(tasks: list[dict[str, Any]], most: int, seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """At most so many of the tasks, drawn at random, and the others."""
    if len(tasks) <= most:
        return tasks, []
    drawn = set(np.random.default_rng(seed).permutation(len(tasks))[:most].tolist())
    return [task for index, task in enumerate(tasks) if index in drawn], [task for index, task in enumerate(tasks) if index not in drawn]


def _about_images(unreadable: dict[str, str]) -> str:
    if not unreadable:
        return ""
    first = next(iter(unreadable.items()))
    return f"{len(unreadable)} images cannot be read and come last, the first of them task {first[0]}: {first[1]}"


def _explained(query: Query) -> dict[str, Any]:
    return {"rank": query.rank, "reason": query.reason, "expected_dice": query.expected_dice, "helps": list(query.helps)}
