"""The features of a project's images, which live turns compare:
computed once, a few seconds in each sync, so that nobody waits for those of thousands.

A live turn reads what is kept, and not the images. Whether those are still what they were is looked at by the
rounds that a person asks for, and by the nightly ones.
"""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.cores import each_on_a_core
from backend.errors import StorageError, TaskImageError
from backend.labelstudio.http.answers import Task
from backend.project import missing_images
from backend.project.context import Context, Setup
from backend.project.missing_images import Lacks
from backend.project.task_data import TaskImages
from backend.queue import pending_work
from backend.queue.connection import as_text
from backend.queue.pending_work import Work
from backend.queue.progress import Progress
from backend.queue.project_info import ProjectInfo
from backend.store.storage import Storage
from model.errors import ModelError
from model.hashing import digest
from model.pixels import FeatureExtractor, FeatureStore

log = logging.getLogger(__name__)

SECONDS_A_SYNC = 10.0
"""Other projects wait for a worker meanwhile; a live turn of this one ends the sync."""
SECONDS_FIRST = 30.0
"""For the first order, which is of those images alone whose features are there by then."""
FEW = 30
"""Images whose features a live turn computes itself."""
TOGETHER = 8
"""Images fetched at once before their features are computed."""

DONE = "done"
"""Field beside those of the tasks: for how many of them all features are there."""
WHY = "{task}:why"
"""Field beside that of a task: what is wrong with its image, JSON."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Looked:
    """What came of looking at images: those that nobody has looked at yet, and what is wrong with some of the
    others, by task id."""

    left: list[str]
    problems: dict[str, TaskImageError | ModelError]


def advance(context: Context, setup: Setup, progress: Progress) -> None:
    """Compute some of the features that are missing; the holder of the sync fence calls it.
    A live turn is wanted when all are there."""
    if not setup.options.orders_live:
        return
    state, key = str(setup.project.tasks), _key(context, setup)
    if context.redis.hget(key, DONE) == state.encode():
        return
    tasks = context.list_tasks().all
    images = TaskImages(context, setup.config, tasks.values(), setup.recipe.max_side)
    missing = find_missing(context, setup, images)
    left = compute(context, setup, images, missing, progress, seconds=SECONDS_A_SYNC).left
    if left:
        log.info("the features of %d of %d images are missing", len(left), len(tasks))
        pending_work.request(context.redis, context.project_id, Work.SYNC)
        return
    if shared := SharedFeatures.of(context.storage):
        shared.give_missing(context.feature_folder)  # of the time before there was a shared storage
    context.redis.hset(key, DONE, state)
    if missing and not ProjectInfo.load(context.redis, context.project_id).held:
        pending_work.request(context.redis, context.project_id, Work.LIVE)


def compute(
    context: Context,
    setup: Setup,
    images: TaskImages,
    missing: Sequence[str],
    progress: Progress,
    *,
    seconds: float,
) -> Looked:
    """Compute the features of the images `missing` for so many seconds, in an order drawn at random.
    What cannot be read or computed counts as done: the rounds name it."""
    store = open_store(context, setup.recipe.precision)
    drawn = [missing[place] for place in np.random.default_rng(setup.options.seed).permutation(len(missing))]
    problems: dict[str, TaskImageError | ModelError] = {}
    looked: set[str] = set()
    until = time.monotonic() + seconds

    def is_over() -> bool:
        return bool(looked) and time.monotonic() > until

    def look(identity: str) -> None:
        if identity in problems or not is_over():
            _compute(context, setup, store, images, identity, problems)
            looked.add(identity)

    for first in range(0, len(drawn), TOGETHER):
        if is_over():
            break
        part = images.only(drawn[first : first + TOGETHER])
        problems |= part.unreadable(lambda *_: progress.check())
        progress("Looking at the images", first, len(drawn))
        with closing(each_on_a_core(look, part, context.settings)) as found:
            for done, _ in enumerate(found, start=first + 1):
                progress("Looking at the images", done, len(drawn))
    return Looked([identity for identity in drawn if identity not in looked], problems)


def _compute(
    context: Context,
    setup: Setup,
    store: FeatureStore,
    images: TaskImages,
    identity: str,
    problems: dict[str, TaskImageError | ModelError],
) -> None:
    entry = images.digests[identity]
    if identity not in problems:
        try:
            height, width = store.sample(images.digests[identity], images[identity]).size
            entry = f"{entry} {height} {width}"
        except (TaskImageError, ModelError) as error:
            problems[identity] = error
    if identity in problems:
        log.warning("task %s: no features: %s", identity, problems[identity])
        note_problems(context, setup, images, {identity: problems[identity]})
    else:
        context.redis.hset(_key(context, setup), identity, entry)


def note_problems(
    context: Context, setup: Setup, images: TaskImages, problems: Mapping[str, Exception]
) -> None:
    """Remember what is wrong with images, by task id."""
    fields: dict[str, str] = {}
    for identity, error in problems.items():
        why = json.dumps({"text": str(error), "lasting": bool(getattr(error, "lasting", False))})
        fields |= {identity: images.digests[identity], WHY.format(task=identity): why}
    if fields:
        context.redis.hset(_key(context, setup), mapping=dict[Any, Any](fields))


def find_problems(context: Context, setup: Setup, images: TaskImages) -> dict[str, TaskImageError]:
    """What is wrong with images, by task id, as far as it was found out and holds: a live turn need not try
    them. The syncs try those that may come back; rounds that a person asks for, and the nightly ones, all."""
    known, awaited = _entries(context, setup), missing_images.tasks(context, Lacks.ORDER)
    found = {}
    for identity, now in images.digests.items():
        why = known.get(WHY.format(task=identity))
        if why and known.get(identity) == now:
            content = json.loads(why)
            if content["lasting"] or int(identity) in awaited:
                found[identity] = TaskImageError(content["text"], lasting=content["lasting"])
    return found


def find_missing(context: Context, setup: Setup, images: TaskImages) -> list[str]:
    """Those of the tasks whose images nobody has looked at, or whose data has changed since."""
    known = _entries(context, setup)
    return [task for task, now in images.digests.items() if known.get(task, "").split()[:1] != [now]]


def find_sizes(context: Context, setup: Setup, images: TaskImages) -> dict[str, Size]:
    """(height, width), at working resolution, of the images whose features are kept, by task id:
    a live turn need not read them."""
    known, digests, sizes = _entries(context, setup), images.digests, {}
    for identity in images:
        content, *size = known.get(identity, "").split()[:3] or [""]
        if content == digests[identity] and len(size) == 2:
            sizes[identity] = (int(size[0]), int(size[1]))
    return sizes


def note_sizes(context: Context, setup: Setup, images: TaskImages) -> None:
    """Those of images that were replaced at their address by others of another size: live turns ask by it."""
    seen = {
        identity: f"{images.digests[identity]} {height} {width}"
        for identity, (height, width) in images.sizes.items()
    }
    known = _entries(context, setup)
    for task, entry in seen.items():
        if known.get(task, entry) != entry:
            context.redis.hset(_key(context, setup), task, entry)


def are_there(context: Context, setup: Setup, tasks: Iterable[Task]) -> bool:
    """Whether a live turn can compare these images at once; the next syncs compute what is missing for it."""
    images = TaskImages(context, setup.config, tasks, setup.recipe.max_side)
    if len(find_missing(context, setup, images)) <= FEW:
        return True
    context.redis.hdel(_key(context, setup), DONE)
    pending_work.request(context.redis, context.project_id, Work.SYNC)
    return False


def open_store(context: Context, precision: str) -> FeatureStore:
    """Where the features are kept that are computed in this number format, as in a recipe."""
    return FeatureStore(
        context.feature_folder,
        FeatureExtractor(precision),
        shared=SharedFeatures.of(context.storage),
    )


@dataclass
class SharedFeatures:
    """The features beside models and rounds in STORAGE_URL, for all machines."""

    storage: Storage
    away: bool = False

    @classmethod
    def of(cls, storage: Storage) -> SharedFeatures | None:
        """None where the folder of this machine is all there is."""
        return cls(storage) if storage.is_shared else None

    def fetch(self, path: Path) -> None:
        """Bring a file here, if it is there."""
        self._try(lambda: self.storage.get(self._name(path)))

    def give(self, path: Path) -> None:
        """Keep a file there as well."""
        self._try(lambda: self.storage.put(self._name(path)))

    def give_missing(self, folder: Path) -> None:
        """Keep there what is only here."""
        self._try(lambda: self.storage.put_missing(self._name(folder)))

    def trim(self, folder: Path, limit: int) -> None:
        """Remove what was written first there, until a folder takes at most `limit` bytes."""
        self._try(lambda: self.storage.trim(self._name(folder), limit))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.storage.folder).as_posix()

    def _try(self, work: Callable[[], object]) -> None:
        """Once it has failed, it is not asked for each of thousands of images."""
        if self.away:
            return
        try:
            work()
        except StorageError as error:
            self.away = True
            log.warning("features are computed here alone for now: %s", error)


def _entries(context: Context, setup: Setup) -> Mapping[str, str]:
    """Of each task whose image was looked at: the digest of its data, and height and width of the image whose
    features are kept, if they could be computed."""
    found = context.redis.hgetall(_key(context, setup))
    return {as_text(task): as_text(entry) for task, entry in found.items()}


def _key(context: Context, setup: Setup) -> str:
    return context.keys.features(_kind(context, setup))


def _kind(context: Context, setup: Setup) -> str:
    """Which features they are, and where they are kept: in the shared storage, or on this machine."""
    version = FeatureExtractor(setup.recipe.precision).version
    place = "shared" if context.storage.is_shared else platform.node()
    return digest(version, setup.recipe.max_side, place, "sizes")
