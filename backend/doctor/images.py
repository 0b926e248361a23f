"""Whether the images of the tasks can be fetched and read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from backend.doctor.label_studio import connect
from backend.errors import TaskImageError
from backend.finding import Finding, Severity
from backend.labelstudio.client import UNLABELLED, LabelStudio
from backend.labelstudio.http.answers import Task
from backend.labelstudio.images import Failures, address, fetch, one_image, require_size
from backend.labelstudio.labels.config import LabelConfig, parse
from backend.settings import Settings
from model.data.images.reading import decode_raw
from model.errors import ModelError

TASKS_SEEN, MOST_PLACES = 200, 4
"""Of so many tasks, one each is looked at of so many servers, buckets and kinds of paths."""


def check_images(settings: Settings, project_id: int) -> list[Finding]:
    """Fetch and decode the image that is served next, and one of each other place that images come from, past
    the cache."""
    client = connect(settings)
    config = parse(client.project(project_id).label_config)
    samples = _samples(client, project_id, config)
    if not samples:
        return [Finding("images", Severity.WARNING, "no tasks yet", "in Label Studio: Import the images")]
    found = []
    failures = Failures()
    with tempfile.TemporaryDirectory() as folder:
        for task in samples:
            try:
                content = fetch(client, task, config, Path(folder), failures=failures)
                require_size(content, task["id"], settings.most_pixels)
                with one_image(task["id"]):
                    raw = decode_raw(content, f"task {task['id']}")
            except (TaskImageError, ModelError) as error:
                shown = f"in Label Studio, open task {task['id']}: its image must be shown there"
                found.append(
                    Finding("images", Severity.ERROR, str(error), getattr(error, "remedy", "") or shown)
                )
            else:
                text = f"task {task['id']} has one of {raw.shape[1]} x {raw.shape[0]} pixels"
                found.append(Finding("images", Severity.OK, text))
    return [each for each in found if each.severity is Severity.ERROR] or found[:1]


def _samples(client: LabelStudio, project_id: int, config: LabelConfig) -> list[Task]:
    """The task that is served next, and the first of those beside it whose images come from elsewhere;
    at most MOST_PLACES."""
    if not client.count(
        project_id
    ):  # Label Studio answers 500, naming all columns of its database, to an order of no tasks
        return []
    samples: dict[tuple[str, str], Task] = {}
    for filters in (UNLABELLED, []):
        for task in client.query(
            project_id, filters, ordering=["tasks:predictions_score"], page_size=TASKS_SEEN
        )["tasks"]:
            samples.setdefault(_place(task, config), task)
    return list(samples.values())[:MOST_PLACES]


def _place(task: Task, config: LabelConfig) -> tuple[str, str]:
    try:
        parts = urlsplit(address(task, config))
    except TaskImageError:
        return "", ""
    return parts.scheme, parts.netloc or "/".join(parts.path.split("/")[:3])
