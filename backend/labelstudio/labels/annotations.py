"""Which of a task's annotations counts as its label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def chosen(task: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The annotation that counts as the label of a task, as the API returns it with its annotations;
    None if it has none.

    The latest (by `updated_at`, then id) that is not cancelled, a ground truth before all others;
    skips and drafts are no labels.
    """
    valid = [
        annotation
        for annotation in task.get("annotations") or []
        if isinstance(annotation, dict) and not annotation.get("was_cancelled")
    ]
    return max(valid, key=_age, default=None)


def _age(annotation: Mapping[str, Any]) -> tuple[bool, str, int]:
    # Label Studio writes times in UTC with a fixed layout, so they sort as text.
    when = annotation.get("updated_at") or annotation.get("created_at") or ""
    return bool(annotation.get("ground_truth")), str(when), int(annotation.get("id") or 0)
