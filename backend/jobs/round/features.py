"""The features of a project's images, which live turns compare:
computed once, a few seconds in each sync, so that nobody waits for those of thousands."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Sequence

import numpy as np

from backend.errors import TaskImageError
from backend.project.context import Context, Setup
from backend.project.task_data import TaskImages
from backend.queue import pending_work
from backend.queue.connection import as_text
from backend.queue.pending_work import Work
from backend.queue.progress import Progress
from backend.queue.project_info import ProjectInfo
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


def advance(context: Context, setup: Setup, progress: Progress) -> None:
    """Compute some of the features that are missing; the holder of the sync fence calls it.
    A live turn is wanted when all are there."""
    state = f"{setup.project.tasks} {setup.recipe.max_side} {setup.recipe.precision}"
    if not setup.options.orders_live or context.redis.get(context.keys.features_done) == state.encode():
        return
    images = TaskImages(
        context, setup.config, context.client.tasks(context.project_id), setup.recipe.max_side
    )
    missing = len(find_missing(context, setup, list(images)))
    left = compute(context, setup, images, progress, seconds=SECONDS_A_SYNC)
    if left:
        log.info("the features of %d images are missing", len(left))
        pending_work.request(context.redis, context.project_id, Work.SYNC)
        return
    context.redis.set(context.keys.features_done, state)
    if missing and not ProjectInfo.load(context.redis, context.project_id).held:
        pending_work.request(context.redis, context.project_id, Work.LIVE)


def compute(
    context: Context, setup: Setup, images: TaskImages, progress: Progress, *, seconds: float
) -> list[str]:
    """Compute missing features for so many seconds, of images drawn at random; returns the ids of those that
    are missing still. What cannot be read or computed counts as done: the rounds name it."""
    store = open_store(context, setup)
    key, digests = _key(context, setup), images.digests
    missing = find_missing(context, setup, list(images))
    drawn = [missing[place] for place in np.random.default_rng(setup.options.seed).permutation(len(missing))]
    started = time.monotonic()
    for done, identity in enumerate(drawn):
        if done and time.monotonic() > started + seconds:
            return drawn[done:]
        progress("Looking at the images", done, len(drawn))
        try:
            store.sample(digests[identity], images[identity])
        except (TaskImageError, ModelError) as error:
            log.warning("task %s: no features: %s", identity, error)
        context.redis.sadd(key, identity)
    return []


def find_missing(context: Context, setup: Setup, identities: Sequence[str]) -> list[str]:
    """Those of the tasks whose features are not known to be there."""
    known = {as_text(member) for member in context.redis.smembers(_key(context, setup))}
    return [identity for identity in identities if identity not in known]


def are_there(context: Context, setup: Setup, identities: Sequence[str]) -> bool:
    """Whether a live turn can compare these images at once; the next syncs compute what is missing for it."""
    if len(find_missing(context, setup, identities)) <= FEW:
        return True
    context.redis.delete(context.keys.features_done)
    pending_work.request(context.redis, context.project_id, Work.SYNC)
    return False


def open_store(context: Context, setup: Setup) -> FeatureStore:
    """Where the features are kept."""
    return FeatureStore(context.feature_folder, FeatureExtractor(setup.recipe.precision))


def _key(context: Context, setup: Setup) -> str:
    """Of the set of tasks whose features this machine has computed, as they are now."""
    version = open_store(context, setup).extractor.version
    return context.keys.features(digest(version, setup.recipe.max_side, platform.node()))
