"""Which of a task's annotations counts as its label."""

from __future__ import annotations

import math
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


def is_made_of_a_mask(annotation: Mapping[str, Any]) -> bool:
    """Whether a label began as a mask that a model had drawn, changed or not, as Label Studio's page notes in
    each region."""
    regions = annotation.get("result") or []
    return any(
        isinstance(region, dict) and str(region.get("origin") or "").startswith("prediction")
        for region in regions
    )


def annotator_of(annotation: Mapping[str, Any]) -> str:
    """Who submitted an annotation, as far as Label Studio tells: their name and address, or their number."""
    author = annotation.get("completed_by")
    if isinstance(author, dict):
        author = author.get("email") or author.get("id")
    named = str(annotation.get("created_username") or "").strip()
    name, comma, number = named.rpartition(",")
    if comma and number.strip().isdigit():
        named = name.strip()
    return named or (f"annotator {author}" if isinstance(author, int) else str(author or ""))


def seconds_open(annotation: Mapping[str, Any]) -> float | None:
    """How long the annotator had the task open until the submit; None where it is not known."""
    seconds = annotation.get("lead_time")
    known = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < math.inf
    return float(seconds) if known and seconds is not None else None


def _age(annotation: Mapping[str, Any]) -> tuple[bool, str, int]:
    # Label Studio writes times in UTC with a fixed layout, so they sort as text.
    when = annotation.get("updated_at") or annotation.get("created_at") or ""
    return bool(annotation.get("ground_truth")), str(when), int(annotation.get("id") or 0)
