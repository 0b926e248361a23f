"""A ranking round in three kinds of jobs:
its start (snapshot, pseudo-labels), its units (one network each), and its end (finish).

What a round is computed from and what is finished of it lies in a folder of its own in the storage, so that
any worker may do any part, a part that is done stays done, and a job that runs twice finds what the first run
left.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from redis.exceptions import RedisError

from backend.errors import SupersededError, TaskImageError, VersionError
from backend.jobs.round import features
from backend.jobs.round.folder import LABELS, SNAPSHOT, RoundFolder, Snapshot
from backend.labelstudio.http.answers import Task
from backend.labelstudio.image_cache import prune
from backend.labelstudio.names import original_name
from backend.labelstudio.skips import read_skips
from backend.labelstudio.task_list import TaskList
from backend.project import missing_images
from backend.project.context import Context, Setup
from backend.project.labels.labels import Labels, read_labels
from backend.project.missing_images import Lacks
from backend.project.task_data import TaskImages, save_masks
from backend.project_settings import FEWEST_LABELS_TO_RANK, ProjectSettings
from backend.queue import pending_work, round_request
from backend.queue.connection import KEPT_SECONDS, as_text
from backend.queue.pending_work import Begun, Work
from backend.queue.progress import Progress
from backend.queue.project_info import ProjectInfo
from backend.queue.round_request import RoundRequest
from backend.queue.task_names import keep_names
from backend.store.round_record import number_of, round_names
from backend.store.version_record import Learner
from backend.store.versions import NO_VERSION, now
from model.errors import ModelError
from model.strategies import default_options, get_strategy, orders_by_pixels

log = logging.getLogger(__name__)

FIRST_ORDER = "the first order"
"""The reason of a project's first round."""


def compares_pixels(options: ProjectSettings) -> bool:
    """Whether the strategy needs nothing but pixel classifiers, which takes seconds, in place of U-Nets."""
    return orders_by_pixels(options.strategy, options.strategy_options)


def wanted(context: Context, name: str) -> Callable[[], None]:
    """A check that raises SupersededError once a newer round than `name` has begun."""

    def check() -> None:
        newest = name
        with suppress(RedisError):  # away for a moment: the next check tells
            newest = as_text(context.redis.get(context.keys.wanted_round) or name)
        if newest != name:
            raise SupersededError(f"The round {name} is superseded by {newest}.")

    return check


@dataclass(frozen=True)
class Occasion:
    """Why a round begins, and what its job knows already."""

    job_id: str
    reason: str
    work: Work = Work.ROUND  # the request that the round completes
    labels: Labels | None = None  # where they have been read
    learnt: str = ""  # the pixel classifier that learnt from them
    listed: TaskList | None = None  # the tasks as they were afterwards
    begun: Begun | None = None  # where the counters stood when reading the labels began


def begin_round(context: Context, progress: Progress, occasion: Occasion) -> RoundFolder:
    """Take the snapshot of a round and make it the wanted one;
    the holder of the project's round fence calls it.

    A second run of the same job finds the snapshot of the first.
    """
    # Noted first:
    # what is asked for or changes from now on may not be in this round, and who asks for a round is told by
    # this.
    context.redis.hset(context.keys.jobs, "snapshotted", occasion.job_id)
    context.redis.hset(
        context.keys.jobs,
        "snapshotted_setup",
        ProjectInfo.load(context.redis, context.project_id).setup or "",
    )
    context.redis.hdel(context.keys.jobs, "snapshotted_options")
    names = round_names(context.storage, context.project_id)
    for name in reversed(names):
        folder = RoundFolder(context, name)
        content = context.storage.read_json(f"{folder.folder}/{SNAPSHOT}")
        if content is not None and content["job"] == occasion.job_id:
            break
    else:
        setup = context.setup()
        version = context.versions.current() or NO_VERSION
        number = max((number_of(name) for name in names), default=0) + 1
        folder = RoundFolder(context, f"{version}.r{number}")
        _take_snapshot(context, setup, folder, version, occasion, progress)
    snapshot = folder.snapshot()
    options = json.dumps(
        {"budget": snapshot.budget, "strategy": snapshot.strategy, "options": snapshot.options}
    )
    context.redis.hset(context.keys.jobs, "snapshotted_options", options)
    context.redis.set(context.keys.wanted_round, folder.name)
    return folder


def _take_snapshot(
    context: Context, setup: Setup, folder: RoundFolder, version: str, occasion: Occasion, progress: Progress
) -> None:
    work = occasion.work
    begun = occasion.begun or pending_work.begin(context.redis, context.project_id, work)
    request = (
        RoundRequest()  # what a person asks for is a round of its own
        if work is Work.LIVE
        else round_request.read_pending(context.redis, context.project_id)
    )
    own = setup.options
    setup = dataclasses.replace(setup, options=request.over(own))
    prune(context.image_cache.parent)
    labels = occasion.labels if occasion.labels is not None else read_labels(context, setup, progress)
    pool = _list_pool(context, setup, occasion.listed or context.list_tasks(whole=work is Work.ROUND))
    looked = _look_at_images(context, setup, pool.compared, work, progress)
    unreadable = _tell_unreadable(context, folder.name, looked.problems)
    left_out = {*unreadable, *looked.later}
    known = {str(task["id"]): task for task in pool.compared if str(task["id"]) not in left_out}
    known |= {identity: labels.tasks[identity] for identity in labels.masks}
    sizes = dict(looked.sizes)
    if work is not Work.ROUND:
        sizes |= {identity: (mask.shape[0], mask.shape[1]) for identity, mask in labels.masks.items()}
    snapshot = Snapshot(
        round=folder.name,
        job=occasion.job_id,
        created=now(),
        reason=occasion.reason,
        version=version,
        strategy=setup.options.strategy,
        options=_options(setup.options),
        budget=setup.options.budget,
        # The same labels give the same order; other labels draw other candidates.
        seed=setup.options.seed + len(labels.masks),
        recipe=setup.recipe.to_dict(),
        label_config=setup.project.label_config,
        tasks=sorted(known.values(), key=lambda task: int(task["id"])),
        labelled=labels.ids,
        unusable=tuple(labels.unusable),
        further=[
            *looked.later,
            *(str(task["id"]) for task in pool.further),
            *sorted(unreadable, key=int),
            *(str(task["id"]) for task in pool.skipped),
        ],
        unreadable=unreadable,
        begun=dataclasses.asdict(begun),
        work=work,
        # A first order is not the comparison of images that a person asks for.
        asked=request.id if work is Work.ROUND else "",
        learnt=occasion.learnt,
        requested=_method(setup.options) != _method(own),
        sizes={identity: size for identity, size in sizes.items() if identity in known},
    )
    beside = folder.path / f".{LABELS}"
    save_masks(beside, {identity: labels.masks[identity] for identity in snapshot.labelled})
    context.storage.move_in(beside, f"{folder.folder}/{LABELS}")
    snapshot = dataclasses.replace(snapshot, teacher=_teacher(context, snapshot))
    trained_on = _trained_on(context, snapshot.teacher or version)
    folder.save(_with_cold_start(snapshot, trained_on or setup.config.labels))


@dataclass(frozen=True)
class _Pool:
    """The open tasks of a project, by their place in its order."""

    compared: list[Task]
    further: list[Task]  # beyond `max_images`; after those
    skipped: list[Task]  # nobody who labels here is served them; last, for whoever joins


def _list_pool(context: Context, setup: Setup, listed: TaskList) -> _Pool:
    tasks = list(listed.open.values())
    names = {int(task["id"]): original_name(task, setup.config) for task in tasks}
    keep_names(context.redis, context.project_id, names)
    done = read_skips(context.client, setup.project).done
    served = [task for task in tasks if task["id"] not in done]
    compared, further = _limited(served, context.settings.max_images, setup.options.seed)
    return _Pool(compared, further, [task for task in tasks if task["id"] in done])


@dataclass(frozen=True)
class _Looked:
    """What a look at the images to compare has told, by task."""

    sizes: dict[str, tuple[int, int]]
    problems: dict[str, TaskImageError | ModelError]
    later: list[str]  # those that a first order did not wait for


def _look_at_images(
    context: Context, setup: Setup, compared: list[Task], work: Work, progress: Progress
) -> _Looked:
    """Read what is not known of earlier rounds; a whole round reads every image."""
    images = TaskImages(context, setup.config, compared, setup.recipe.max_side)
    sizes = {} if work is Work.ROUND else features.find_sizes(context, setup, images)
    told = features.find_problems(context, setup, images) if work is Work.LIVE else {}
    unknown = [identity for identity in images if identity not in sizes and identity not in told]
    if work is Work.FIRST_ORDER:  # of as many images as can be looked at while somebody waits
        seconds = features.SECONDS_FIRST
        looked = features.compute(context, setup, images, unknown, progress, seconds=seconds)
        return _Looked(features.find_sizes(context, setup, images), looked.problems, looked.left)
    problems = images.only(unknown).unreadable(progress)
    features.note_sizes(context, setup, images)
    features.note_problems(context, setup, images, problems)
    return _Looked(sizes, problems | told, [])


def _tell_unreadable(
    context: Context, round_: str, problems: dict[str, TaskImageError | ModelError]
) -> dict[str, str]:
    """Note and log which images take no part; returns why, by task."""
    missing_images.remember(
        context,
        Lacks.ORDER,
        [identity for identity, error in problems.items() if not getattr(error, "lasting", False)],
    )
    unreadable = {identity: str(error) for identity, error in problems.items()}
    context.unreadable.update({int(identity): error for identity, error in problems.items()})
    for identity, text in unreadable.items():
        log.warning("task %s takes no part in %s: %s", identity, round_, text)
    context.note("images", _about_images(unreadable))
    return unreadable


def _options(settings: ProjectSettings) -> dict[str, object]:
    """The options that the strategy takes."""
    taken = default_options(settings.strategy)
    return {name: settings.strategy_options.get(name, default) for name, default in taken.items()}


def _method(settings: ProjectSettings) -> tuple[object, ...]:
    """What decides how images are chosen, and how many."""
    return settings.budget, settings.strategy, _options(settings)


def _teacher(context: Context, snapshot: Snapshot) -> str:
    """The newest U-Net where the strategy needs one and a pixel classifier draws the masks; else empty."""
    with suppress(VersionError):  # damaged: told when it is loaded
        if snapshot.version != NO_VERSION and not orders_by_pixels(snapshot.strategy, snapshot.options):
            drawn_by = context.versions.record(snapshot.version)
            if drawn_by.kind is not Learner.UNET:
                newest = context.versions.newest_record(Learner.UNET)
                return newest.name if newest else NO_VERSION
    return ""


def _trained_on(context: Context, version: str) -> tuple[str, ...]:
    """The labels that a version was trained on; none where that is not known."""
    with suppress(VersionError):  # damaged: told when it is loaded
        return () if version == NO_VERSION else context.versions.record(version).labels
    return ()


def _with_cold_start(snapshot: Snapshot, trained_on: tuple[str, ...]) -> Snapshot:
    """The snapshot as a cold start where there is too little for a strategy;
    `trained_on` are the labels that the version knows."""
    count = len(snapshot.labelled)
    message = ""
    if orders_by_pixels(snapshot.strategy, snapshot.options):  # which trains its own classifier
        message = "" if count else "no label yet"
    elif NO_VERSION in (snapshot.version, snapshot.teacher):
        message = "there is no model yet"
    elif trained_on != snapshot.config.labels:
        # Strategies know classes by their numbers, which mean something else by now.
        message = (
            f"{snapshot.teacher or snapshot.version} was trained on other labels ({', '.join(trained_on)})"
            " than the configuration has now"
        )
    elif count < FEWEST_LABELS_TO_RANK:
        message = f"{count} labels, expected at least {FEWEST_LABELS_TO_RANK}"
    return dataclasses.replace(snapshot, cold_start=True, message=message) if message else snapshot


def prepare_units(folder: RoundFolder, snapshot: Snapshot, progress: Progress) -> tuple[Snapshot, list[str]]:
    """Draw the pseudo-labels and list the strategy's units;
    where it cannot work, the round becomes a cold start, with a message."""
    if snapshot.cold_start or not snapshot.unlabelled:
        return snapshot, []
    round_ = folder.round(snapshot, folder.images(snapshot), progress)
    try:
        strategy = get_strategy(snapshot.strategy, **snapshot.options)
        round_.check_budget(snapshot.batch_size)
        units = list(strategy.units(round_))
    except (ModelError, TaskImageError) as error:
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
    strategy = get_strategy(snapshot.strategy, **snapshot.options)
    context.storage.get_folder(
        f"{folder.folder}/{strategy.artifact(unit)}"
    )  # another machine may have done it
    strategy.run_unit(folder.round(snapshot, folder.images(snapshot), progress), unit)
    progress.check()
    folder.keep()
    with context.redis.pipeline() as pipe:
        pipe.sadd(context.keys.rows(name), unit)
        pipe.expire(context.keys.rows(name), KEPT_SECONDS)
        pipe.execute()


def _limited(tasks: list[Task], most: int, seed: int) -> tuple[list[Task], list[Task]]:
    """At most so many of the tasks, drawn at random, and the others."""
    if len(tasks) <= most:
        return tasks, []
    drawn = set(np.random.default_rng(seed).permutation(len(tasks))[:most].tolist())
    return [task for index, task in enumerate(tasks) if index in drawn], [
        task for index, task in enumerate(tasks) if index not in drawn
    ]


def _about_images(unreadable: dict[str, str]) -> str:
    if not unreadable:
        return ""
    first = next(iter(unreadable.items()))
    return (
        f"{len(unreadable)} images cannot be read and come last, the first of them task {first[0]}:"
        f" {first[1]}"
    )
