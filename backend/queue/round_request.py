"""A request for the next round alone: a budget, a strategy, options of it.

It is pending until a round that used it is in force, or is cancelled.

A round that fails, or is superseded by a scheduled one, leaves it to the next, so that nothing a person asked
for is lost in between.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from redis import Redis

from backend.project_settings import ProjectSettings
from backend.queue.connection import Keys


@dataclass(frozen=True)
class RoundRequest:
    """A budget, a strategy and its options in place of the project's own.

    None, or an option that is left out: the project's own.
    """

    id: str = ""  # another one for every change, "" where nothing was asked for
    budget: int | None = None
    strategy: str | None = None
    options: dict[str, object] = field(default_factory=dict)

    def changed(self, budget: int | None, strategy: str | None, options: Mapping[str, Any]) -> RoundRequest:
        """This with a newer request over it."""
        after = RoundRequest(
            self.id,
            self.budget if budget is None else budget,
            self.strategy if strategy is None else strategy,
            {**self.options, **options},
        )
        return self if after == self else replace(after, id=uuid.uuid4().hex)

    def met_by(self, budget: int, strategy: str, options: Mapping[str, Any] | None = None) -> bool:
        """Whether a round of these is one that was asked for;
        options that the strategy does not take count for nothing."""
        if self.budget not in (None, budget) or self.strategy not in (None, strategy):
            return False
        if not self.options:
            return True
        from model.strategies import default_options  # which takes a moment

        used = {**default_options(strategy), **(options or {})}
        return all(used.get(name, value) == value for name, value in self.options.items())

    def over(self, options: ProjectSettings) -> ProjectSettings:
        """The project's settings with what was asked for in their place."""
        requested: dict[str, object] = {"budget": self.budget, "strategy": self.strategy}
        requested["strategy_options"] = {**options.strategy_options, **self.options}
        return options.model_copy(
            update={name: value for name, value in requested.items() if value is not None}
        )


def read_pending(redis: Redis, project_id: int) -> RoundRequest:
    """What the next round is asked for."""
    return _read(redis.get(Keys(project_id).asked))


def set_pending(redis: Redis, project_id: int, request: RoundRequest) -> None:
    """Keep this as the pending request. The caller holds the lock of the project's jobs."""
    if request.id:
        redis.set(Keys(project_id).asked, json.dumps(asdict(request)))
    else:
        redis.delete(Keys(project_id).asked)


def complete(redis: Redis, project_id: int, asked_id: str) -> None:
    """A round that used it is in force; what was requested since then stays pending."""
    key = Keys(project_id).asked

    def remove(pipe: Any) -> None:
        current = _read(pipe.get(key))
        pipe.multi()
        if current.id == asked_id:
            pipe.delete(key)

    redis.transaction(remove, key)


def cancel(redis: Redis, project_id: int) -> None:
    """A person cancelled it."""
    redis.delete(Keys(project_id).asked)


def _read(value: bytes | str | None) -> RoundRequest:
    return RoundRequest(**json.loads(value)) if value else RoundRequest()
