"""What is wanted of a project and not done yet, counted in Redis so that no event is lost and none is done
twice.

For each kind of work there are two counters: how often it was wanted and how far that is done.
A job reads the first when it starts and sets the second to it when it ends well;
whatever came meanwhile leaves a difference, which means exactly one more job.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis import Redis
from redis.client import Pipeline

from backend.queue.connection import PROJECTS, Keys
from backend.queue.project_info import ProjectInfo
from backend.settings import Settings

MOST_SECONDS_BETWEEN_FAILURES = 600.0
"""A job that fails again and again is tried after 15, 30, 60, ... up to so many seconds;
a person's request is done at once."""
FIRST_SECONDS_BETWEEN_FAILURES = 15.0
SETTLE_SECONDS = {"look": 1.0, "configure": 3.0, "round": 0.0, "first-order": 0.0, "live": 0.0}
"""Seconds from the request to the job:
Label Studio's own request (a connection, an import) should have ended."""
MOST_TASKS_REMEMBERED = 20_000
"""Task ids of one event that are kept; the next round looks at all tasks anyway."""

# Counters that are behind those at the start have begun again since, as Redis was emptied: what they count
# now came later than the job began, and is not done.
_FINISH = """
redis.call('HSET', KEYS[1], ARGV[1] .. ':failures', 0)
local wanted = tonumber(redis.call('HGET', KEYS[1], ARGV[1] .. ':wanted') or 0)
local labels = tonumber(redis.call('HGET', KEYS[1], ARGV[1] .. ':labels') or 0)
if wanted < tonumber(ARGV[2]) or labels < tonumber(ARGV[3]) then return end
redis.call('HSET', KEYS[1], ARGV[1] .. ':done', ARGV[2], ARGV[1] .. ':labels_done', ARGV[3])
"""


class Work(StrEnum):
    """Kinds of work that events ask for."""

    TRAINING = "training"
    ROUND = "round"
    FIRST_ORDER = "first-order"  # by looks alone: seconds, so that nobody waits for a training
    LIVE = "live"  # what each label changes: seconds, without a U-Net
    SYNC = "look"  # with Label Studio: tasks, configuration, batch; so named in Redis and the metrics
    CONFIGURE = "configure"


LABEL_EVENTS = (
    "ANNOTATION_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATIONS_DELETED",
    "ANNOTATION_DELETED",
)
START_TRAINING = "START_TRAINING"
"""The button of that name in Label Studio's settings."""
SYNC_EVENTS = ("TASKS_CREATED", "TASKS_DELETED", "PROJECT_UPDATED")


@dataclass(frozen=True)
class Pending:
    """One kind of work of one project, as the counters tell."""

    wanted: int = 0
    done: int = 0
    labels: int = 0  # labels submitted since the last training
    since: float = 0.0  # when it was wanted last, seconds since 1970
    tried: float = 0.0  # when it was started last
    failures: int = 0  # in a row

    @property
    def outstanding(self) -> bool:
        """Whether something is wanted and not done; more done than wanted is of before Redis was emptied."""
        return self.wanted != self.done

    def due(self, work: Work, settings: Settings, now: float) -> bool:
        """Whether a job is to be started now.

        A time that is further ahead than the pause after it was set by a wrong clock: it counts as long past.
        """
        if not self.outstanding:
            return False
        if self.failures:
            pause = min(
                MOST_SECONDS_BETWEEN_FAILURES,
                FIRST_SECONDS_BETWEEN_FAILURES * 2 ** min(self.failures - 1, 10),
            )
            if abs(now - self.tried) < pause:
                return False
        passed = abs(now - self.since)
        if work is Work.TRAINING:
            return self.labels >= settings.labels_to_train or passed >= settings.quiet_seconds
        return passed >= SETTLE_SECONDS[work]


@dataclass(frozen=True)
class Event:
    """What an event of Label Studio means for the service; small, whatever the event carried."""

    work: Work
    labels: int = 0  # labels it brings
    tasks: tuple[int, ...] = ()  # that are labelled by it
    labelled: int | None = None  # labelled tasks of the project after it, where it tells


def read_event(action: str, data: Mapping[str, Any]) -> Event | None:
    """The meaning of a webhook's body; None for actions that mean nothing here."""
    if action in SYNC_EVENTS:
        return Event(Work.SYNC)
    if action not in LABEL_EVENTS:
        return None
    labelled = _labelled(data.get("project"))
    if "DELETED" in action:  # of a label, or of a skip: the training tells
        return Event(Work.TRAINING, labelled=labelled)
    given = data.get("annotations") or data.get("annotation")
    annotations = given if isinstance(given, list) else [given]
    kept = [
        annotation
        for annotation in annotations
        if not (isinstance(annotation, Mapping) and annotation.get("was_cancelled"))
    ]
    if not kept:  # skips are no labels; they may finish the batch, and one of a label takes it away
        return Event(Work.TRAINING if action == "ANNOTATION_UPDATED" else Work.SYNC, labelled=labelled)
    return Event(Work.TRAINING, len(kept), tuple(_task_ids([data.get("task"), *kept])), labelled)


def record(redis: Redis, project_id: int, event: Event) -> None:
    """Note an event, in one round trip to Redis."""
    keys = Keys(project_id)
    with redis.pipeline(transaction=True) as pipe:
        if event.tasks:
            pipe.sadd(keys.labelled, *event.tasks)
        if event.labelled is not None:  # the sync would tell it only in a minute
            ProjectInfo(labelled=event.labelled).write(pipe, project_id)
        if event.work is Work.SYNC:
            ProjectInfo().write(pipe, project_id, forget=("looked",))  # the next sync is a full one
        elif event.labels:
            _resume(pipe, project_id)
        _request(pipe, keys, event.work, event.labels)
        if event.work is Work.TRAINING:
            _request(pipe, keys, Work.LIVE)
        pipe.execute()


def request(redis: Redis, project_id: int, work: Work) -> None:
    """Note that some work is wanted."""
    with redis.pipeline(transaction=True) as pipe:
        _request(pipe, Keys(project_id), work)
        pipe.execute()


def request_training(redis: Redis, project_id: int, *, labels: int = 0) -> None:
    """Note that labels came which no event told of: for a training, and for a live turn before it."""
    with redis.pipeline(transaction=True) as pipe:
        _request(pipe, Keys(project_id), Work.TRAINING, labels)
        _request(pipe, Keys(project_id), Work.LIVE)
        pipe.execute()


def pending(redis: Redis, project_id: int, work: Work) -> Pending:
    """How far some work of a project is."""
    return pendings(redis, [project_id], work)[project_id]


def pendings(redis: Redis, project_ids: Sequence[int], work: Work) -> dict[int, Pending]:
    """How far some work of several projects is, in one round trip."""
    names = [
        f"{work}:{field}"
        for field in ("wanted", "done", "labels", "labels_done", "since", "tried", "failures")
    ]
    with redis.pipeline(transaction=False) as pipe:
        for project_id in project_ids:
            pipe.hmget(Keys(project_id).events, names)
        answers = pipe.execute()
    found = {}
    for project_id, answer in zip(project_ids, answers, strict=True):
        wanted, done, labels, labels_done, since, tried, failures = (float(value or 0) for value in answer)
        found[project_id] = Pending(
            int(wanted), int(done), int(labels - labels_done), since, tried, int(failures)
        )
    return found


@dataclass(frozen=True)
class Begun:
    """Where the counters stood when a job began; what it sees of Label Studio is at least as new."""

    wanted: int
    labels: int


def begin(redis: Redis, project_id: int, work: Work) -> Begun:
    """Note that a job of this work starts; pass the result to `finish`."""
    redis.hset(Keys(project_id).events, f"{work}:tried", str(time.time()))
    return standing(redis, project_id, work)


def standing(redis: Redis, project_id: int, work: Work) -> Begun:
    """Where the counters of what is wanted stand."""
    wanted, labels = redis.hmget(Keys(project_id).events, [f"{work}:wanted", f"{work}:labels"])
    return Begun(int(wanted or 0), int(labels or 0))


def finish(redis: Redis, project_id: int, work: Work, begun: Begun) -> None:
    """Note that all that was wanted when the job began is done."""
    redis.eval(_FINISH, 1, Keys(project_id).events, str(work), begun.wanted, begun.labels)


def fail(redis: Redis, project_id: int, work: Work) -> None:
    """Note that a job of this work failed, so that the next one waits longer."""
    key = Keys(project_id).events
    redis.hset(key, f"{work}:tried", str(time.time()))
    redis.hincrby(key, f"{work}:failures", 1)


def note_error(redis: Redis, project_id: int, kind: str, job_id: str, message: str) -> None:
    """Keep the last error of a kind of job for the status; an empty message removes it."""
    key = Keys(project_id).errors
    if message:
        content = {"job": job_id, "kind": kind, "message": message, "time": time.time()}
        redis.hset(key, kind, json.dumps(content))
    else:
        redis.hdel(key, kind)


def pause(redis: Redis, project_id: int, why: str) -> None:
    """A person cancelled what was to be done: nothing starts by itself until a label comes or somebody asks.
    `why` is for the status."""
    ProjectInfo(held=True).save(redis, project_id)
    redis.hset(Keys(project_id).notes, "cancelled", why)


def is_paused(redis: Redis, project_id: int, labelled: int) -> bool:
    """Whether a person cancelled what the project would start by itself;
    over once the number of labelled tasks has changed."""
    info = ProjectInfo.load(redis, project_id)
    if not info.held:
        return False
    if info.held_at is None:  # the first sync since: labels that no event tells of are told by their number
        ProjectInfo(held=True, held_at=labelled).save(redis, project_id)
    elif info.held_at != labelled:
        resume(redis, project_id)
        return False
    return True


def resume(redis: Redis, project_id: int) -> None:
    """The project goes on by itself."""
    with redis.pipeline(transaction=True) as pipe:
        _resume(pipe, project_id)
        pipe.execute()


def projects(redis: Redis) -> list[int]:
    """Ids of all known projects, ascending."""
    return sorted(int(member) for member in redis.smembers(PROJECTS))


def register(redis: Redis, project_id: int, info: ProjectInfo | None = None) -> bool:
    """Make a project known, with facts about it; tells whether it was new."""
    if info:
        info.save(redis, project_id)
    return bool(redis.sadd(PROJECTS, project_id))


def forget(redis: Redis, project_id: int) -> None:
    """A project is gone: no job syncs it any more. Its models stay."""
    redis.srem(PROJECTS, project_id)


def _resume(pipe: Pipeline, project_id: int) -> None:
    ProjectInfo().write(pipe, project_id, forget=("held",))
    pipe.hdel(Keys(project_id).notes, "cancelled")


def _request(pipe: Pipeline, keys: Keys, work: Work, labels: int = 0) -> None:
    pipe.hincrby(keys.events, f"{work}:wanted", 1)
    pipe.hset(keys.events, f"{work}:since", str(time.time()))
    if labels:
        pipe.hincrby(keys.events, f"{work}:labels", labels)


def _labelled(project: Any) -> int | None:
    count = project.get("num_tasks_with_annotations") if isinstance(project, Mapping) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def _task_ids(values: Iterable[Any]) -> list[int]:
    return list(dict.fromkeys(_ids(values)))[:MOST_TASKS_REMEMBERED]


def _ids(values: Iterable[Any]) -> Iterable[int]:
    """Task ids among tasks (by "id") and annotations (by "task")."""
    for value in values:
        if not isinstance(value, Mapping):
            continue
        task = value.get("task") if "task" in value else (value.get("id") if "data" in value else None)
        if isinstance(task, int) and not isinstance(task, bool):
            yield task
