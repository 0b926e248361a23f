"""Whether the images of the tasks can be fetched and read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from backend.doctor.label_studio import connect
from backend.errors import TaskImageError
from backend.finding import Finding, Severity
from backend.labelstudio.client import UNLABELLED, LabelStudio
from backend.labelstudio.config import parse
from backend.labelstudio.images import fetch
from backend.settings import Settings
from model.errors import ModelError
from model.images import decode_raw


def check_images(settings: Settings, project_id: int) -> list[Finding]:
    """Fetch and decode the image that is served next, past the cache."""
    client = connect(settings)
    task = _sample(client, project_id)
    if task is None:
        return [Finding("images", Severity.WARNING, "the project has no task", "in Label Studio: Import")]
    config = parse(client.project(project_id).label_config)
    try:
        with tempfile.TemporaryDirectory() as folder:
            raw = decode_raw(fetch(client, task, config, Path(folder)), f"task {task['id']}")
    except (TaskImageError, ModelError) as error:
        return [Finding("images", Severity.ERROR, str(error), f"in Label Studio, open task {task['id']}: its image must be shown there")]
    return [Finding("images", Severity.OK, f"task {task['id']} has one of {raw.shape[1]} x {raw.shape[0]} pixels")]


def _sample(client: LabelStudio, project_id: int) -> dict[str, Any] | None:
    for filters in (UNLABELLED, []):
        page = client.query(project_id, filters, ordering=["tasks:predictions_score"], page_size=1)["tasks"]
        if page:
            return dict(page[0])
    return None
