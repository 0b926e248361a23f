"""How far a job is, kept in Redis for people to see, and the places where it learns that it should stop."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NotRequired, TypedDict

from redis import Redis
from redis.exceptions import RedisError

from backend.errors import CancelledError
from backend.queue.connection import Keys

SECONDS_BETWEEN_WRITES = 0.5
SECONDS_BETWEEN_CHECKS = 2.0
STALE_SECONDS = 120.0
"""An entry not renewed for so long belongs to a job that was killed;
one step of a network never takes so long."""


class Entry(TypedDict):
    """A job that runs, as it stands in Redis (JSON)."""

    job: str
    kind: str
    round: str  # that it is part of; empty for others
    started: float  # seconds since 1970
    updated: NotRequired[float]
    step: NotRequired[str]  # in words
    done: NotRequired[int]  # parts of the step
    total: NotRequired[int]
    seconds_left: NotRequired[float | None]  # in this step


class Progress:
    """Where a job tells its step; calling it is cheap, and raises StoppedError when the job is to stop."""

    def __init__(
        self,
        redis: Redis,
        project_id: int,
        job_id: str,
        kind: str,
        *,
        checks: tuple[Callable[[], None], ...] = (),
        round_name: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`checks` are called now and then, and raise to stop the job.
        `round_name` is the round it is part of.

        `fences` are checks that hold to the end: who has lost one must not write any more.
        """
        self.redis = redis
        self.keys = Keys(project_id)
        self.job_id = job_id
        self.checks = [self._not_cancelled, *checks]
        self.fences: list[Callable[[], None]] = []
        self._entry: Entry = {
            "job": job_id,
            "kind": kind,
            "round": round_name,
            "started": time.time(),
        }
        self._clock = clock
        self._written = self._checked = -math.inf
        self._step, self._done = "", 0
        self._since = (clock(), 0)  # when the step began, and how many parts of it were done

    def __call__(self, step: str, done: int, total: int) -> None:
        """`step` in words, `done` of `total` parts of it; with less done than before it begins anew."""
        now = self._clock()
        if step != self._step or done < self._done:
            self._step, self._since, self._written = step, (now, done), -math.inf
        self._done = done
        if now - self._checked >= SECONDS_BETWEEN_CHECKS:
            self.check()
        if now - self._written >= SECONDS_BETWEEN_WRITES:
            self._written = now
            began, first = self._since
            each = (now - began) / (done - first) if done > first else None
            left = None if each is None or done > total else round(each * (total - done), 1)
            self._write(step, done, total, left)

    def check(self) -> None:
        """Raise StoppedError if this job is to stop now."""
        self._checked = self._clock()
        for check in (*self.fences, *self.checks):
            check()

    def too_late_to_stop(self) -> None:
        """What follows must be done as a whole:
        from here on a person's cancel and a newer round are passed over, a lost fence is not."""
        self.checks = []

    def end(self) -> None:
        """Remove the entry; the job is over."""
        with suppress(RedisError):  # it goes stale by itself
            self.redis.hdel(self.keys.progress, self.job_id)

    def _write(self, step: str, done: int, total: int, left: float | None) -> None:
        self._entry.update(
            {"step": step, "done": done, "total": total, "seconds_left": left, "updated": time.time()}
        )
        with suppress(RedisError):  # nobody can look meanwhile; the work goes on
            self.redis.hset(self.keys.progress, self.job_id, json.dumps(self._entry))

    def _not_cancelled(self) -> None:
        members = [self.job_id, *([self._entry["round"]] if self._entry["round"] else [])]
        try:
            cancelled = any(self.redis.smismember(self.keys.cancelled, members))
        except RedisError:
            return
        if cancelled:
            kind = self._entry["kind"].replace("look", "sync")  # which is called so in Redis alone
            raise CancelledError(f"The {kind} was cancelled by a person.")


def running(redis: Redis, project_id: int) -> list[Entry]:
    """The entries of the jobs that run for a project, the one started first first."""
    now = time.time()
    entries: list[Entry] = [json.loads(value) for value in redis.hgetall(Keys(project_id).progress).values()]
    return sorted(
        (entry for entry in entries if now - entry.get("updated", 0) < STALE_SECONDS),
        key=lambda entry: float(entry["started"]),
    )
