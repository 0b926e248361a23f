"""When an order was superseded, and what becomes of its predictions."""

from __future__ import annotations

import logging
import time

from backend.labelstudio.order import superseded
from backend.labelstudio.order.rounds import is_round, round_number
from backend.project.context import Context
from backend.queue import project_jobs
from backend.queue.connection import as_text
from backend.queue.lease import Fence
from backend.queue.pending_work import Work
from backend.queue.progress import Progress

log = logging.getLogger(__name__)

KEPT_SECONDS = 24 * 3600.0
"""How long the predictions of a superseded order stay:
as long as Label Studio keeps a task for who has opened it (TASK_LOCK_TTL)."""
SECONDS_A_SYNC = 10.0
"""Time for deleting in one sync, some hundred predictions: Label Studio has annotators to answer."""


def clear_superseded(context: Context, progress: Progress, in_force: str, *, now: float | None = None) -> int:
    """Note which orders are superseded, and delete predictions of those that have been so for KEPT_SECONDS;
    returns how many went.

    To be called by the holder of the sync fence. `now` in seconds since 1970.
    What Redis has lost, or an earlier release has left, counts as superseded from now on.
    Deletes nothing while an order is written, which may take over predictions of superseded ones.
    """
    if not is_round(in_force):
        return 0
    now = time.time() if now is None else now
    key = context.keys.superseded
    noted = {as_text(version): float(when) for version, when in context.redis.hgetall(key).items()}
    kept = superseded.rounds_kept(context.client, context.project_id)
    begun = [
        version
        for version in kept
        if round_number(version) > round_number(in_force) and not _given_up(context, version)
    ]
    rounds = [version for version in kept if version not in (in_force, *begun)]
    if unknown := [version for version in rounds if version not in noted]:
        context.redis.hset(key, mapping=dict.fromkeys(unknown, now))
    if over := [version for version in noted if version not in rounds]:  # gone, or in force again
        context.redis.hdel(key, *over)
    due = [version for version in rounds if noted.get(version, now) <= now - KEPT_SECONDS]
    if not due or begun:
        return 0
    writing = Fence(context.redis, context.keys.fence("round"))
    if not writing.take():
        return 0
    until = time.monotonic() + SECONDS_A_SYNC

    def go_on() -> bool:
        progress.check()
        writing.check()
        return time.monotonic() < until

    with writing:
        done = superseded.remove(context.client, context.project_id, due, go_on=go_on)
    log.info("%d predictions of superseded orders deleted, of %s", done, ", ".join(due))
    return done


def _given_up(context: Context, version: str) -> bool:
    """Whether no job will go on with an order that has been begun;
    its predictions may be such as were written over, and open."""
    wanted = as_text(context.redis.get(context.keys.wanted_round) or b"")
    return wanted != version or not project_jobs.active(context.redis, context.project_id, Work.ROUND)
