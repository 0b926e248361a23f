"""What workers count in Redis, so that it is right with any number of them, on any machine, and after a
restart of the web server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from redis import Redis
from redis.exceptions import RedisError
from rq.exceptions import AbandonedJobError
from rq.job import Job

from backend.queue import in_hand, pending_work
from backend.queue.connection import PREFIX, as_text
from backend.queue.pending_work import Work
from backend.queue.project_jobs import FINISH, ROLLBACK, START

KEY = f"{PREFIX}:tally"
"""Hash:
"kind outcome limit" to the number of runs that took up to so many seconds and more than the limit before;
and their sum."""
KILLED = (
    "Its process was killed at the last of its tries, perhaps as memory ran out. Look for the signal in the"
    " log of the workers; if it comes again, give that machine more memory."
)
LIMITS = (0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Seconds; syncs take tenths of them, trainings of large images hours."""
_SUM = "sum"
_LONGER = "+Inf"


class Outcome(StrEnum):
    """How one run of a job ended."""

    FINISHED = "finished"
    STOPPED = "stopped"  # superseded, or cancelled by a person
    FAILED = "failed"  # by an error, or after JOB_HOURS
    KILLED = "killed"  # its process, or its whole machine


@dataclass
class Durations:
    """The runs of one kind of job that ended in one way."""

    kind: str
    outcome: str
    seconds: float = 0.0
    runs: dict[str, int] = field(default_factory=dict)  # limit to the runs up to it, but above the one before

    def cumulative(self) -> list[tuple[str, float]]:
        """For each limit how many runs were not longer."""
        total = 0
        found: list[tuple[str, float]] = []
        for limit in (*map(str, LIMITS), _LONGER):
            total += self.runs.get(limit, 0)
            found.append((limit, total))
        return found


def note_run(redis: Redis, kind: str, outcome: Outcome, seconds: float) -> None:
    """Count one run of a job; never fails, as the job is more important than its count."""
    limit = next((str(limit) for limit in LIMITS if seconds <= limit), _LONGER)
    with suppress(RedisError), redis.pipeline(transaction=True) as pipe:
        pipe.hincrby(KEY, f"{kind} {outcome} {limit}", 1)
        pipe.hincrbyfloat(KEY, f"{kind} {outcome} {_SUM}", max(0.0, seconds))
        pipe.execute()


def note_job(job: Job, outcome: Outcome, started: datetime | None) -> None:
    """Count a run of an rq job that began at `started` (UTC) and has just ended."""
    seconds = (datetime.now(UTC) - started.replace(tzinfo=UTC)).total_seconds() if started else 0.0
    note_run(job.connection, job.meta.get("kind") or str(job.func_name).rpartition(".")[2], outcome, seconds)


def note_killed(job: Job, started: datetime | None, *, again: bool) -> None:
    """Count a run whose process was killed; the images that it had in hand are suspected.

    Unless rq runs the job `again`, that is an error as any other, which the job itself could not note.
    """
    note_job(job, Outcome.KILLED, started)
    in_hand.blame(job)
    project_id, kind = job.meta.get("project"), str(job.meta.get("kind"))
    kind = START if kind == FINISH else kind
    if again or project_id is None:
        return
    with suppress(RedisError):
        if kind in set(Work):
            pending_work.fail(job.connection, int(project_id), Work(kind))
        if kind in {*Work, ROLLBACK}:
            pending_work.note_error(job.connection, int(project_id), kind, job.id, KILLED)


def note_abandoned(job: Job, kind: type[BaseException], *_: object) -> None:
    """Note a run whose worker vanished with it; an exception handler for rq's cleaning of its registries."""
    if kind is AbandonedJobError:
        note_killed(job, job.started_at, again=job.should_retry)


def durations(content: dict[bytes, bytes]) -> Iterator[Durations]:
    """What is in the hash at KEY."""
    found: dict[tuple[str, str], Durations] = {}
    for name, value in content.items():
        kind, outcome, limit = as_text(name).split()
        entry = found.setdefault((kind, outcome), Durations(kind, outcome))
        if limit == _SUM:
            entry.seconds = float(value)
        else:
            entry.runs[limit] = int(value)
    for key in sorted(found):
        yield found[key]
