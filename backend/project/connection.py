"""A project's connection to this service, with what the settings, Redis and the storage tell of both."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress

from redis import Redis
from redis.exceptions import RedisError

from backend import stopping
from backend.errors import SettingsError, StorageError
from backend.finding import Finding, Severity
from backend.labelstudio import connect
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect import OwnService, Record
from backend.labelstudio.connect.record import is_older
from backend.queue import pending_work, progress, project_jobs
from backend.queue.connection import PREFIX
from backend.queue.connection import connect as connect_redis
from backend.queue.pending_work import Work
from backend.settings import BACKEND_FILE, Settings
from backend.store.round_record import round_in_force
from backend.store.storage import Storage
from backend.store.version_history import Uses

_ANOTHER = "start the service with a MODEL_DIR, STORAGE_URL and REDIS_URL of its own for this Label Studio"
LONGEST_END = 60.0
"""Seconds that disconnecting waits for a job to end that was cancelled."""
INSTANCE = f"{PREFIX}:instance"
"""Redis key of what tells this service from others:
all of its programs, on whatever machines, have one Redis."""
INSTANCE_SECONDS = 30.0
"""How long a web process keeps it in mind."""


def read_own_url(settings: Settings) -> str:
    """The address at which Label Studio reaches this service:
    of the one that runs on MODEL_DIR, else what the settings say."""
    if settings.backend_url is None:
        with suppress(FileNotFoundError):  # none runs, or it has just ended
            return (settings.model_dir / BACKEND_FILE).read_text().strip()
    return settings.own_url


def own_service(settings: Settings, instance: str) -> OwnService:
    """This service as Label Studio and browsers reach it."""
    url = read_own_url(settings)
    pages = settings.public_url or url
    return OwnService(
        url, settings.basic_auth, pages, (settings.own_url, settings.local_url, pages), instance
    )


def name_instance(redis: Redis) -> str:
    """What /health tells, made at the first call; "" while Redis is away."""
    try:
        redis.set(INSTANCE, uuid.uuid4().hex, nx=True)
    except RedisError:
        return ""
    return read_instance(redis)


def read_instance(redis: Redis) -> str:
    """The same, for those who may change nothing."""
    try:
        value = redis.get(INSTANCE)
    except RedisError:
        return ""
    return value.decode() if isinstance(value, bytes) else str(value or "")


class InstanceName:
    """What a web process answers;
    Redis is asked now and then, so that /health is quick while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._name = ""
        self._until = 0.0

    def __call__(self) -> str:
        if time.monotonic() >= self._until:
            self._until = time.monotonic() + INSTANCE_SECONDS
            self._name = name_instance(self._redis) or self._name
        return self._name


def instance_here(settings: Settings) -> str:
    """The same, for a command that goes on without Redis."""
    try:
        return read_instance(connect_redis(settings.redis_address, timeout=2.0, attempts=1))
    except SettingsError:  # none runs
        return ""


def check(settings: Settings, client: LabelStudio, project_id: int, own: OwnService) -> list[Finding]:
    """Look at the connection, and change nothing. Raises LabelStudioError, StorageError."""
    storage = Storage.of(settings)
    record, order = Record(storage, project_id), _order(storage, project_id)
    found = connect.check(client, project_id, own, record=record, order=order)
    return found + _check_folder(storage, client, project_id)


def plan_connection(
    settings: Settings, client: LabelStudio, project_id: int, own: OwnService
) -> list[connect.Intention]:
    """What connecting a project will change. Raises LabelStudioError, StorageError."""
    storage = Storage.of(settings)
    record, order = Record(storage, project_id), _order(storage, project_id)
    return connect.plan_connection(client, project_id, own, record=record, order=order)


def configure(settings: Settings, client: LabelStudio, project_id: int, own: OwnService) -> list[Finding]:
    """Connect and configure a project, and record what there was before.
    Raises LabelStudioError, StorageError."""
    storage = Storage.of(settings)
    record, order = Record(storage, project_id), _order(storage, project_id)
    found = connect.configure(client, project_id, own, record=record, order=order)
    return found + _check_folder(storage, client, project_id)


def _check_folder(storage: Storage, client: LabelStudio, project_id: int) -> list[Finding]:
    """A warning where the models are those of an earlier project of this number, in another Label Studio."""
    try:
        uses = Uses(storage, project_id).all()
    except StorageError:  # told elsewhere
        return []
    project = client.project_options(project_id, ("id", "created_at"))
    if not uses or not is_older(uses[0].time, project):
        return []
    text = (
        f"the models in {storage.path(f'projects/{project_id}')} are of another project: {uses[0].version}"
        f" was in use there on {uses[0].time[:10]}, and project {project_id} of this Label Studio was made on"
        f" {str(project.get('created_at'))[:10]}. Their masks and order tell nothing about its images"
    )
    return [Finding("backend", Severity.WARNING, text, _ANOTHER)]


def plan_disconnection(
    settings: Settings, client: LabelStudio, project_id: int, own: OwnService
) -> connect.Plan:
    """What disconnecting a project will change. Raises LabelStudioError, StorageError."""
    return connect.plan_disconnection(client, project_id, own, Record(Storage.of(settings), project_id))


def disconnect(
    settings: Settings,
    redis: Redis,
    client: LabelStudio,
    project_id: int,
    own: OwnService,
) -> list[Finding]:
    """Stop what runs for a project, look after it no longer, and carry out the plan of that moment:
    what a person has changed since an earlier one stays. Models and orders stay in the storage.
    Raises LabelStudioError, StorageError, RedisError."""
    # In this order: a sync that runs would put things right again.
    pending_work.forget(redis, project_id)
    project_jobs.cancel(project_id)
    _wait_for_the_end(redis, project_id)
    pending_work.resume(redis, project_id)
    found = connect.disconnect(plan_disconnection(settings, client, project_id, own))
    # Label Studio may have called /setup once more, before its connection went, and that has it configured.
    pending_work.forget(redis, project_id)
    _wait_for_the_end(redis, project_id)
    if not _has_failed(found):
        found += connect.disconnect(plan_disconnection(settings, client, project_id, own))
        pending_work.forget(redis, project_id)
    if not _has_failed(found):
        Record(Storage.of(settings), project_id).put_aside()
    return found


def _has_failed(found: list[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in found)


def _wait_for_the_end(redis: Redis, project_id: int) -> None:
    """At most LONGEST_END seconds, until nothing of the project runs that could write to Label Studio."""
    until = time.monotonic() + LONGEST_END
    while time.monotonic() < until and (
        progress.running(redis, project_id) or project_jobs.runs(redis, project_id, Work.CONFIGURE)
    ):
        stopping.pause(0.2)


def _order(storage: Storage, project_id: int) -> str:
    """Name of the round in force, "" if there is none or it cannot be read."""
    try:
        record = round_in_force(storage, project_id)
    except StorageError:
        return ""
    return record.served_as if record else ""
