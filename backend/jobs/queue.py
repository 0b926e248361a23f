"""Starting, following and cancelling jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def enqueue_training(project_id: int, *, reason: str = "asked for") -> str:
    """Train on all labels now; returns the job's id. One that waits already is not joined by a second."""
    raise NotImplementedError


def enqueue_round(project_id: int, reason: str, *, train: bool = False) -> str:
    """Compute the order anew, after a training if labels came since the last one (or `train`); returns the job's id."""
    raise NotImplementedError


def enqueue_configure(project_id: int) -> str:
    """Check and configure the project in Label Studio; returns the job's id."""
    raise NotImplementedError


def cancel(project_id: int) -> list[str]:
    """Cancel everything that runs or waits for the project; returns the ids of the jobs. Models, labels and the order in force stay."""
    raise NotImplementedError


def follow(project_id: int, job_id: str, *, seconds: float = 0.5) -> Iterator[dict[str, Any]]:
    """The progress of a job and of the jobs that continue it, a look every so many seconds, until the end.

    Each is {"job", "state": "queued" | "running" | "finished" | "failed" | "cancelled", "step", "done", "total", "rows_done", "rows_total",
    "seconds_left", "message"}; the last one has one of the last three states.
    """
    raise NotImplementedError
