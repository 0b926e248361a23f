"""What can be wrong with one project: its connection, its model, its order, its images, and its jobs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from backend import service
from backend.doctor.label_studio import connect
from backend.doctor.redis_server import open_redis
from backend.errors import BackendError, SettingsError, TaskImageError
from backend.jobs import events, queue
from backend.jobs.connection import Keys, as_text
from backend.jobs.context import Context
from backend.jobs.events import Work
from backend.jobs.records import round_in_force
from backend.jobs.status import last_errors
from backend.labelstudio import priorities
from backend.labelstudio.client import UNLABELLED, LabelStudio
from backend.labelstudio.config import parse
from backend.labelstudio.connect import Finding, Severity
from backend.labelstudio.connect import check as check_connection
from backend.labelstudio.images import fetch
from backend.settings import Settings
from backend.storage import Storage
from backend.versions import Versions
from model.errors import ModelError
from model.images import decode_raw

WEBHOOK = "/webhook"


def known(settings: Settings) -> list[int]:
    """The numbers of all projects that this service has seen, from Redis, or from the storage while Redis is away."""
    try:
        return events.projects(open_redis(settings))
    except (RedisError, SettingsError):
        pass
    try:
        return sorted(int(name) for name in Storage.of(settings).names("projects") if name.isdigit())
    except BackendError:
        return []


def checks(settings: Settings, project_id: int, *, label_studio: bool = True, redis: bool = True) -> dict[str, Callable[[], list[Finding]]]:
    """The checks of a project by subject; those that need Label Studio or Redis only where these answer."""
    found: dict[str, Callable[[], list[Finding]]] = {}
    if label_studio:
        found["project"] = lambda: _project(settings, project_id)
        found["connection"] = lambda: _connection(settings, project_id)
        found["images"] = lambda: _images(settings, project_id)
    if label_studio and redis:
        found["extra params"] = lambda: _extra_params(settings, project_id)
        found["order"] = lambda: _order(settings, project_id)
    found["model"] = lambda: _model(settings, project_id)
    if redis:
        found["jobs"] = lambda: _jobs(settings, project_id)
    away = [name for name, answers in (("Label Studio", label_studio), ("Redis", redis)) if not answers]
    if away:
        text = f"not all was looked at, as {' and '.join(away)} cannot be used: see above"
        found["project"] = lambda: [Finding("project", Severity.WARNING, text)]
    return found


def _project(settings: Settings, project_id: int) -> list[Finding]:
    found = connect(settings).project(project_id)
    return [Finding("project", Severity.OK, f"{found.title!r}, {found.tasks} tasks, {found.labelled} of them labelled")]


def _connection(settings: Settings, project_id: int) -> list[Finding]:
    """What connecting sets, and webhooks that an earlier connection has left behind."""
    client = connect(settings)
    url = service.own_url(settings)
    found = check_connection(client, project_id, url, settings.basic_auth)
    connected = {str(backend.get("url") or "").rstrip("/") for backend in client.ml_backends(project_id)} | {url.rstrip("/")}
    for hook in client.webhooks(project_id):
        base, _, end = str(hook.get("url") or "").rstrip("/").rpartition("/")
        if f"/{end}" == WEBHOOK and base not in connected and hook.get("project") == project_id:
            text = f"there is a webhook to {hook['url']}, where no connected backend is; an annotator's submit may wait a second for it"
            found.append(Finding("webhook", Severity.WARNING, text, "in Label Studio: Settings, Webhooks, delete it if it is left over"))
    return found


def _extra_params(settings: Settings, project_id: int) -> list[Finding]:
    context = Context(project_id, settings, open_redis(settings), connect(settings), Storage.of(settings))
    try:
        options = context.project_settings()
    except SettingsError as error:
        return [Finding("extra params", Severity.ERROR, str(error), "in Label Studio: Settings, Model, Edit, Extra params")]
    return [Finding("extra params", Severity.OK, f"budget {options.budget}, strategy {options.strategy}")]


def _model(settings: Settings, project_id: int) -> list[Finding]:
    versions = Versions(Storage.of(settings), project_id)
    current, names = versions.current(), versions.names()
    if current is None:
        return [Finding("model", Severity.OK, "no version yet; the first label that is submitted brings one")]
    problem = _damage(versions, current)
    if problem:
        other = _replacement(versions, current)
        remedy = f"python -m backend rollback --project {project_id} {other} --yes --wait" if other else "restore it from a backup"
        return [Finding("model", Severity.ERROR, f"{current} is in use and cannot be loaded: {problem}", remedy)]
    return [Finding("model", Severity.OK, f"{current} is in use, of {len(names)} version{'s' if len(names) != 1 else ''}")]


def _damage(versions: Versions, name: str) -> str:
    """Why a version cannot be used; empty if it can."""
    try:
        versions.load(name)
    except (BackendError, ModelError) as error:
        return str(error)
    return ""


def _replacement(versions: Versions, current: str) -> str:
    """The newest other version that can be used; one that was not good enough to be published only where there is no other."""
    usable = [name for name in reversed(versions.names()) if name != current and not _damage(versions, name)]
    return next((name for name in usable if versions.record(name).published), usable[0] if usable else "")


def _order(settings: Settings, project_id: int) -> list[Finding]:
    """Whether Label Studio serves the round that this service has written last, and has a place for every open task."""
    client, redis = connect(settings), open_redis(settings)
    command = f"python -m backend recompute --project {project_id} --wait"
    record = round_in_force(Storage.of(settings), project_id)
    open_tasks = client.count(project_id, "unlabelled")
    if not open_tasks:
        return [Finding("order", Severity.OK, "no task is open")]
    if queue.active(redis, project_id, Work.ROUND):
        return [Finding("order", Severity.OK, "is being computed just now; look again when it is done")]
    if record is None:
        return [Finding("order", Severity.ERROR, f"there is none yet for {open_tasks} open tasks, so they are served at random", command)]
    serving = client.project(project_id).model_version
    if serving != record["round"]:
        text = f"Label Studio serves {serving or 'nothing'!r}, expected the order {record['round']}; so tasks come at random"
        return [Finding("order", Severity.ERROR, text, command)]
    missing = priorities.unplaced(client, project_id)
    if missing:
        text = f"{len(missing)} of {open_tasks} open tasks have no place in {record['round']} and come last, at random: task {missing[0]}"
        return [Finding("order", Severity.WARNING, text, command)]
    return [Finding("order", Severity.OK, f"{record['round']} orders all {open_tasks} open tasks")]


def _images(settings: Settings, project_id: int) -> list[Finding]:
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


def _jobs(settings: Settings, project_id: int) -> list[Finding]:
    """The last error of each kind of job, which the next success of that kind removes; and what waits for a person."""
    redis = open_redis(settings)
    again = {
        Work.TRAINING: f"python -m backend train --project {project_id} --wait",
        Work.ROUND: f"python -m backend recompute --project {project_id} --wait",
        queue.ROLLBACK: f"python -m backend recompute --project {project_id} --wait",
    }
    found = []
    for kind, error in sorted(last_errors(redis, project_id).items()):
        text = f"the last {kind} failed: {error['message']}"
        if kind in again:
            found.append(Finding("jobs", Severity.ERROR, text, again[kind]))
        else:
            found.append(Finding("jobs", Severity.WARNING, f"{text} It is tried again by itself, at the latest after ten minutes."))
    notes = redis.hgetall(Keys(project_id).notes)
    found += [
        Finding("warnings", Severity.WARNING, as_text(text))
        for subject, text in sorted(notes.items())
        if not as_text(subject).startswith("connection:")  # looked at anew above
    ]
    return found or [Finding("jobs", Severity.OK, "the last one of each kind succeeded")]
