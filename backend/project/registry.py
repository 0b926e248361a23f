"""Which projects this service knows: those that were connected to it."""

from __future__ import annotations

from redis import Redis
from redis.exceptions import RedisError

from backend.errors import NotConnectedError
from backend.labelstudio.connect.record import Record
from backend.project.context import Context
from backend.queue import pending_work
from backend.queue.connection import PROJECTS, connection
from backend.settings import Settings
from backend.store.storage import Storage

MOST_PROJECTS = 2**31 - 1
"""The largest number that Label Studio gives a project."""


def require_known(context: Context, *, ask: bool = False, enrol: bool = True) -> None:
    """Raise NotConnectedError for a project that has never been connected here;
    with `ask`, it is enough that Label Studio has it.

    With `enrol`, one that only the storage or Label Studio knew is looked after from now on.
    Raises UnknownProjectError where Label Studio was asked in vain. While Redis is away nothing can be told:
    that passes, or raises RedisError with `ask`.
    """
    try:
        if _looked_after(context.redis, context.project_id):
            return
    except RedisError:
        if ask:
            raise
        return
    if not _kept(context.storage, context.project_id):
        if not ask or not _possible(context.project_id):
            raise _not_connected(context.project_id, context.settings)
        context.client.project(context.project_id)
    if enrol and Record(context.storage, context.project_id).disconnected:
        raise _not_connected(context.project_id, context.settings)
    if enrol:
        pending_work.register(context.redis, context.project_id)


def require_known_here(project_id: int, settings: Settings) -> None:
    """Raise NotConnectedError, without a key for Label Studio;
    a project that the storage holds is known while Redis is away."""
    if not _kept(Storage.of(settings), project_id) and not _looked_after(connection(settings), project_id):
        raise _not_connected(project_id, settings)


def _possible(project_id: int) -> bool:
    return 1 <= project_id <= MOST_PROJECTS


def _looked_after(redis: Redis, project_id: int) -> bool:
    return bool(redis.sismember(PROJECTS, str(project_id)))


def _kept(storage: Storage, project_id: int) -> bool:
    return storage.path(f"projects/{project_id}").is_dir()


def _not_connected(project_id: int, settings: Settings) -> NotConnectedError:
    return NotConnectedError(
        f"Project {project_id} is not connected to this service. In Label Studio, open its Settings, Model,"
        f" Connect Model, and give the address {settings.own_url}; or run: python -m backend connect"
        f" --project {project_id}"
    )
