"""What the service knows of a project without asking Label Studio or the storage: one hash of Redis.

Jobs and web processes write the facts that they learn, each its own; a lost one is found again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from redis import Redis
from redis.client import Pipeline

from backend.queue.connection import Keys, as_text

Fact = Literal["held", "held_out_dice", "looked"]
"""Facts that may be unknown again."""


@dataclass(frozen=True)
class ProjectInfo:
    """Facts about a project; None where none was told yet. Times are ISO 8601, UTC."""

    title: str | None = None
    tasks: int | None = None  # all of the project
    labelled: int | None = None  # how many of them
    hostname: str | None = None  # Label Studio's address, as it tells
    extra_params: str | None = None  # of the connection, JSON
    connections: int | None = None  # of the project that may lead to this service
    setup: str | None = None  # of configuration and extra params, to see whether they change
    version: str | None = None  # in use; empty where there is none
    held_out_dice: float | None = None  # of that version
    trained: int | None = None  # labelled tasks that it was trained on
    training_estimate: float | None = None  # seconds of a training, measured with the first order
    trained_count: int | None = None  # labelled tasks, as the last training saw them
    trained_changed: str | None = None  # when one of them was changed last, as it saw them
    trained_annotations: int | None = None  # of the project, as it saw them
    trained_labels: tuple[str, ...] | None = None  # of the configuration, as it saw them
    round: str | None = None  # whose order is in force
    round_time: str | None = None  # since when
    rounds_written: int | None = None
    round_reason: str | None = None  # why a round is wanted
    masks_fit: str | None = None  # "<round> <digest of the labels that its masks fit>"
    looked: str | None = None  # "<seconds since 1970> <state>" of a sync that found nothing to do
    missing_tried: float | None = None  # when to try missing images again, seconds since 1970
    held: bool = False  # a person cancelled what would start by itself
    held_at: int | None = None  # with so many labelled tasks; None before they are counted

    @classmethod
    def from_redis(cls, content: Mapping[Any, Any]) -> Self:
        """Of the hash as Redis answers it, of this release or an earlier one."""
        told = {as_text(name): as_text(value) for name, value in content.items()}
        facts = {
            name: read(told[name])
            for name, read in _READERS.items()
            if name in told and (told[name] or read is str)
        }
        return cls(**facts, held="held" in told, held_at=int(told["held"]) if told.get("held") else None)

    @classmethod
    def load(cls, redis: Redis, project_id: int) -> Self:
        """All that is known of a project. Raises RedisError."""
        return cls.from_redis(redis.hgetall(Keys(project_id).info))

    def save(self, redis: Redis, project_id: int, *, forget: tuple[Fact, ...] = ()) -> None:
        """Keep the facts that this one has, and no longer those of `forget`; others stay as they are.
        Raises RedisError."""
        with redis.pipeline(transaction=True) as pipe:
            self.write(pipe, project_id, forget=forget)
            pipe.execute()

    def write(self, pipe: Pipeline, project_id: int, *, forget: tuple[Fact, ...] = ()) -> None:
        """As `save`, among other commands that are sent together."""
        key = Keys(project_id).info
        facts: dict[Any, Any] = {
            name: json.dumps(value) if isinstance(value, tuple) else value
            for name in _READERS
            if (value := getattr(self, name)) is not None
        }
        if self.held:
            facts["held"] = "" if self.held_at is None else self.held_at
        if facts:
            pipe.hset(key, mapping=facts)
        if forget:
            pipe.hdel(key, *forget)


_READERS: Mapping[str, Callable[[str], Any]] = {
    "title": str,
    "tasks": int,
    "labelled": int,
    "hostname": str,
    "extra_params": str,
    "connections": int,
    "setup": str,
    "version": str,
    "held_out_dice": float,
    "trained": int,
    "training_estimate": float,
    "trained_count": int,
    "trained_changed": str,
    "trained_annotations": int,
    "trained_labels": lambda text: tuple(json.loads(text)),
    "round": str,
    "round_time": str,
    "rounds_written": int,
    "round_reason": str,
    "masks_fit": str,
    "looked": str,
    "missing_tried": float,
}
"""How each field of the hash is read; `held` is read apart, as its empty value has a meaning."""


def count_round(redis: Redis, project_id: int) -> None:
    """One more order was put in force. Raises RedisError."""
    redis.hincrby(Keys(project_id).info, "rounds_written", 1)
