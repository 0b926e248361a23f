"""What a person asked of the next round alone: a budget, a strategy. It stands until a round that used it is in force, or is cancelled.

A round that fails, or is superseded by a scheduled one, leaves it to the next, so that nothing a person asked for is lost in between.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from redis import Redis

from backend.jobs.connection import Keys
from backend.settings import ProjectSettings


@dataclass(frozen=True)
class Asked:
    """A budget and a strategy in place of the project's own; None: the project's own."""

    id: str = ""  # another one for every change, "" where nothing was asked for
    budget: int | None = None
    strategy: str | None = None

    def over(self, options: ProjectSettings) -> ProjectSettings:
        """The project's settings with what was asked for in their place."""
        wishes = {"budget": self.budget, "strategy": self.strategy}
        return options.model_copy(update={name: value for name, value in wishes.items() if value is not None})


def standing(redis: Redis, project_id: int) -> Asked:
    """What the next round is asked for."""
    return _read(redis.get(Keys(project_id).asked))


def ask(redis: Redis, project_id: int, *, budget: int | None, strategy: str | None) -> bool:
    """Add to what stands, the newer over the older; tells whether that changes it. The caller holds the lock of the project's jobs."""
    before = standing(redis, project_id)
    after = Asked(before.id, before.budget if budget is None else budget, before.strategy if strategy is None else strategy)
    if after == before:
        return False
    redis.set(Keys(project_id).asked, json.dumps(asdict(after) | {"id": uuid.uuid4().hex}))
    return True


def fulfil(redis: Redis, project_id: int, asked_id: str) -> None:
    """A round that used it is in force; what was asked for since then stands."""
    key = Keys(project_id).asked

    def remove(pipe: Any) -> None:
        current = _read(pipe.get(key))
        pipe.multi()
        if current.id == asked_id:
            pipe.delete(key)

    redis.transaction(remove, key)


def withdraw(redis: Redis, project_id: int) -> None:
    """A person cancelled it."""
    redis.delete(Keys(project_id).asked)


def _read(value: bytes | None) -> Asked:
    return Asked(**json.loads(value)) if value else Asked()
