"""What a job returns when it ends well, as rq keeps it."""

from __future__ import annotations

from typing import TypedDict


class JobResult(TypedDict, total=False):
    """The parts that a kind of job has."""

    reason: str  # what it came to, in words
    stopped: str  # why it was stopped on purpose
    next: str | None  # the job that continues it
    version: str | None  # that was trained, or put in use
    before: str | None  # the version in use until then
    published: bool
    labels: int  # labelled tasks that it was trained on
    round: str
    tasks: int | list[int]  # how many are in the order; the skipped ones that were put back
    kept: list[int]  # that stay skipped
    batch: list[int]
    masks: int
    unit: str
    findings: list[dict[str, str]]
