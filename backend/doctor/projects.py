"""The checks of one project, by subject:
each is a function of the settings and the project's number, in a file of its own."""

from __future__ import annotations

from collections.abc import Callable

from redis.exceptions import RedisError

from backend.doctor.connection import check_connected, check_extra_params, check_project
from backend.doctor.images import check_images
from backend.doctor.jobs import check_jobs
from backend.doctor.labels import check_labels
from backend.doctor.model import check_model
from backend.doctor.order import check_order
from backend.doctor.redis_server import open_redis
from backend.doctor.skips import check_skips
from backend.errors import BackendError, SettingsError
from backend.finding import Finding, Severity
from backend.queue import pending_work
from backend.settings import Settings
from backend.store.storage import Storage

Check = Callable[[], list[Finding]]


def known(settings: Settings) -> list[int]:
    """The numbers of all projects that this service has seen, from Redis, or from the storage while Redis is
    away."""
    try:
        return pending_work.projects(open_redis(settings))
    except (RedisError, SettingsError):
        pass
    try:
        return sorted(int(name) for name in Storage.of(settings).names("projects") if name.isdigit())
    except BackendError:
        return []


def checks(settings: Settings, project_id: int, *, label_studio: bool, redis: bool) -> dict[str, Check]:
    """The checks of a project by subject; those that need Label Studio or Redis only where these answer."""
    found: dict[str, Check] = {}
    if label_studio:
        found["project"] = lambda: check_project(settings, project_id)
        found["connection"] = lambda: check_connected(settings, project_id)
        found["images"] = lambda: check_images(settings, project_id)
        found["skips"] = lambda: check_skips(settings, project_id)
    if label_studio and redis:
        found["extra params"] = lambda: check_extra_params(settings, project_id)
        found["order"] = lambda: check_order(settings, project_id)
    if redis:
        found["labels"] = lambda: check_labels(settings, project_id)
    found["model"] = lambda: check_model(settings, project_id)
    if redis:
        found["jobs"] = lambda: check_jobs(settings, project_id)
    away = [name for name, answers in (("Label Studio", label_studio), ("Redis", redis)) if not answers]
    if away:
        text = f"not all was looked at, as {' and '.join(away)} cannot be used: see above"
        found["project"] = lambda: [Finding("project", Severity.WARNING, text)]
    return found
