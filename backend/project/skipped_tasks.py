"""What the last sync saw of its skipped tasks, kept in Redis for people to see."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from redis import Redis

from backend.labelstudio.skips import PutBack, SkipQueue, Skips
from backend.labelstudio.task_numbers import list_tasks
from backend.queue.connection import Keys

MOST_TASKS_NAMED = 100
"""Skipped tasks that the status names; it tells the number of all."""
MOST_IN_A_MESSAGE = 10


@dataclass(frozen=True)
class Skipped:
    """Skipped tasks, as far as they matter to the order."""

    queue: SkipQueue = SkipQueue.OTHERS
    done: frozenset[int] = frozenset()  # that nobody is waited for
    partly: Mapping[int, int] = field(
        default_factory=dict
    )  # that others are still served: task id to the number of these others
    people: int = 0  # who have labelled or skipped

    @property
    def count(self) -> int:
        """How many tasks nobody is waited for."""
        return len(self.done)

    @property
    def tasks(self) -> list[int]:
        """The first of them."""
        return sorted(self.done)[:MOST_TASKS_NAMED]

    def to_dict(self) -> dict[str, object]:
        """For the status: {"count", "tasks": the first ids, "queue", "people"}."""
        return {
            "count": self.count,
            "tasks": self.tasks,
            "queue": str(self.queue),
            "people": self.people,
        }


def describe(done: PutBack) -> str:
    """What putting back has done, in words."""
    texts = []
    if done.tasks:
        them = "it" if len(done.tasks) == 1 else "them"
        texts.append(f"{_list(done.tasks)} will be served again to those who skipped {them}")
    if done.kept:
        drew = (
            "stays skipped, because somebody drew on it before"
            if len(done.kept) == 1
            else "stay skipped, because somebody drew on them before"
        )
        texts.append(
            f"{_list(done.kept)} {drew}: open the task in Label Studio and press Cancel skip, which keeps"
            " what was drawn as a draft"
        )
    return "; ".join(texts) or "no such image is skipped"


def _list(tasks: Sequence[int]) -> str:
    return list_tasks(tasks, MOST_IN_A_MESSAGE)


def note(redis: Redis, project_id: int, skips: Skips) -> None:
    """Keep what a sync saw."""
    content = {
        "queue": skips.queue,
        "done": sorted(skips.done),
        "partly": skips.partly,
        "people": len(skips.people),
    }
    redis.set(Keys(project_id).skipped, json.dumps(content))


def noted(redis: Redis, project_id: int) -> Skipped:
    """What the last sync saw; nothing before the first one."""
    content = redis.get(Keys(project_id).skipped)
    if not content:
        return Skipped()
    found = json.loads(content)
    partly = {int(task): int(others) for task, others in found["partly"].items()}
    return Skipped(SkipQueue(found["queue"]), frozenset(found["done"]), partly, int(found["people"]))
