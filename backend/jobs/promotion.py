"""Putting a version in use: one job at a time decides, and the web processes are told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from backend.errors import QueueError, VersionError
from backend.project.context import Context
from backend.queue.lease import SECONDS, Fence
from backend.queue.project_info import ProjectInfo

log = logging.getLogger(__name__)

LONGEST = SECONDS + 60
"""Seconds to wait for another decision: it takes a moment, unless its worker was killed in it."""


@contextmanager
def deciding(context: Context) -> Iterator[Fence]:
    """Hold the choice of the version in use, so that a training that ends does not overwrite a rollback that
    it has not seen.

    Raises QueueError when another job holds it for very long.
    """
    fence = Fence(context.redis, context.keys.fence("version"))
    if not fence.take(wait=LONGEST):
        raise QueueError(
            f"Another job has been choosing the version of project {context.project_id} for {LONGEST:.0f} s;"
            " try again."
        )
    with fence:
        yield fence


def cache_version(context: Context) -> None:
    """Tell the web processes which version is in use and how good it is, so that they need not look at the
    storage at every request."""
    name = context.versions.current() or ""
    dice, trained = None, 0
    try:
        if name:
            record = context.versions.record(name)
            dice, trained = record.held_out_dice, len(record.tasks)
    except VersionError as error:  # its folder is lost; the order in force is served nevertheless
        log.error("%s", error)
    known = ProjectInfo(version=name, held_out_dice=dice, trained=trained)
    known.save(context.redis, context.project_id, forget=("held_out_dice",) if dice is None else ())
