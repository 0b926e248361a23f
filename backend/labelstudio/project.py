"""A project of Label Studio, as far as the service needs to know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROJECT_FIELDS = (
    "id",
    "title",
    "label_config",
    "model_version",
    "sampling",
    "maximum_annotations",
    "created_by",
    "task_number",
    "num_tasks_with_annotations",
    "skip_queue",
    "total_annotations_number",
)
"""Of `Project`; unasked, Label Studio counts five things more, going through the tasks."""


@dataclass(frozen=True)
class Project:
    """A project's settings, as far as the service needs them."""

    id: int
    title: str
    label_config: str
    model_version: str  # "" if none: the predictions of this version order the tasks and are shown
    sampling: str
    maximum_annotations: int
    created_by: int | None
    tasks: int
    labelled: int  # tasks that Label Studio counts as finished
    skip_queue: str = ""  # what becomes of skipped tasks (backend.labelstudio.skips)
    annotations: int = 0  # several of one task too, but no skips

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Project:
        """As Label Studio tells of it."""
        creator = item.get("created_by")
        return cls(
            id=int(item["id"]),
            title=str(item.get("title") or ""),
            label_config=str(item.get("label_config") or ""),
            model_version=str(item.get("model_version") or ""),
            sampling=str(item.get("sampling") or ""),
            maximum_annotations=int(item.get("maximum_annotations") or 1),
            created_by=creator.get("id") if isinstance(creator, dict) else creator,
            tasks=int(item.get("task_number") or 0),
            labelled=int(item.get("num_tasks_with_annotations") or 0),
            skip_queue=str(item.get("skip_queue") or ""),
            annotations=int(item.get("total_annotations_number") or 0),
        )
