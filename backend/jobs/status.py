"""What a project's administrator wants to know, in one object."""

from __future__ import annotations

from typing import Any


def status(project_id: int) -> dict[str, Any]:
    """The state of a project, JSON-ready.

    {"project", "version": {"name", "held_out_dice", "labels", "created"} | None, "labels": {"trained", "waiting"},
    "round": {"name", "time", "reason", "strategy", "budget", "cold_start", "message"} | None, "next_tasks": [{"task", "rank", "score",
    "in_batch", "reason"}], "running": {"job", "kind", "step", "done", "total", "rows_done", "rows_total", "seconds_left"} | None,
    "waiting": [job kinds], "last_error": {"job", "message", "time"} | None, "warnings": [text]}.
    """
    raise NotImplementedError
