"""The connection to Redis, the names of queues, and the names of all keys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import AuthenticationError, OutOfMemoryError, ReadOnlyError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from rq import Queue

from backend.errors import QueueError
from backend.settings import Settings, get_settings, masked_url

CONTROL = "control"
"""Queue of short jobs (syncs of projects, configuring, first orders):
workers of its own, so that no training delays them."""
CLEANING_SECONDS = 60
"""The longest time that cleaning up after killed workers may take."""
CONTROL_WORKERS = 2
"""On each machine, for that queue:
one may be busy for a minute with one project while others wait for the other."""
COMPUTE = "compute"
"""Queue of trainings and rounds."""
PREFIX = "tdal"
KEPT_SECONDS = 7 * 24 * 3600
"""How long a finished or failed job can be asked about."""


@dataclass(frozen=True)
class Keys:
    """The Redis keys of one project;
    everything in them can be lost and is then found again in Label Studio and the storage."""

    project_id: int

    def _key(self, name: str) -> str:
        return f"{PREFIX}:{self.project_id}:{name}"

    @property
    def info(self) -> str:
        """Hash: what is known of the project (backend.queue.project_info)."""
        return self._key("info")

    @property
    def events(self) -> str:
        """Hash: how many label events there were, how many of them are trained, and when."""
        return self._key("events")

    @property
    def jobs(self) -> str:
        """Hash: kind of job to the rq id of the last one."""
        return self._key("jobs")

    @property
    def progress(self) -> str:
        """Hash: what runs, its step, and how far it is."""
        return self._key("progress")

    @property
    def errors(self) -> str:
        """Hash: kind of job to its last error, JSON."""
        return self._key("errors")

    @property
    def notes(self) -> str:
        """Hash: warnings by what they are about, JSON."""
        return self._key("notes")

    @property
    def names(self) -> str:
        """Hash: task id to the file name of its image (backend.queue.task_names)."""
        return self._key("names")

    @property
    def labelled(self) -> str:
        """Set of task ids labelled since the last round was written, or deleted."""
        return self._key("labelled")

    @property
    def skipped(self) -> str:
        """The skipped tasks as the last sync saw them, JSON (backend.project.skipped_tasks)."""
        return self._key("skipped")

    @property
    def wanted_round(self) -> str:
        """Name of the newest round; jobs of older ones stop."""
        return self._key("wanted-round")

    @property
    def cancelled(self) -> str:
        """Set of ids of jobs and rounds that a person cancelled."""
        return self._key("cancelled")

    @property
    def asked(self) -> str:
        """What a person asked of the next round alone, JSON (backend.queue.round_request)."""
        return self._key("asked")

    @property
    def missing(self) -> str:
        """Hash:
        "<what lacks it>:<task id>" of images that could not be read, to try them again
        (backend.project.missing_images)."""
        return self._key("missing")

    @property
    def in_hand(self) -> str:
        """Hash: "<job> <task>" of the images that jobs work on (backend.queue.in_hand)."""
        return self._key("in-hand")

    @property
    def kills(self) -> str:
        """Hash: task to how many processes were killed with its image in hand."""
        return self._key("kills")

    def fence(self, what: str) -> str:
        """Lock of one kind of work."""
        return self._key(f"fence:{what}")

    @property
    def superseded(self) -> str:
        """Hash:
        round whose order is not in force any more to when that was seen first, seconds since 1970."""
        return self._key("superseded")

    def features(self, version: str) -> str:
        """Hash: task whose image was looked at to what is known of its features
        (backend.jobs.round.features); `version` is a digest of which features they are."""
        return self._key(f"features:{version}")

    def drawn(self, round_name: str) -> str:
        """Set of tasks of a round whose mask was drawn, also where it shows nothing or cannot be drawn;
        Label Studio cannot tell."""
        return self._key(f"drawn:{round_name}")

    def rows(self, round_name: str) -> str:
        """Set of the units of a round that are done."""
        return self._key(f"rows:{round_name}")


def step_seconds(recipe: str) -> str:
    """Seconds that a step of a recipe's training takes, by the digest of the recipe, for all projects
    (backend.jobs.estimate)."""
    return f"{PREFIX}:step-seconds:{recipe}"


PROJECTS = f"{PREFIX}:projects"
"""Set of the ids of all known projects."""
REMEMBERED = f"{PREFIX}:remembered"
"""Set of the ids that could not be told yet, and a word for all others; gone when Redis has lost all."""


def connect(url: str, *, timeout: float = 5.0, attempts: int = 3) -> Redis:
    """A connection pool to Redis; `timeout` in seconds for each of the attempts. Makes no request."""
    retry = Retry(ExponentialBackoff(cap=1.0, base=0.05), attempts - 1)
    return Redis.from_url(
        url,
        socket_connect_timeout=timeout,
        socket_timeout=timeout,
        retry=retry,
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        health_check_interval=15,
        socket_keepalive=True,
    )


@lru_cache(maxsize=4)
def _shared(url: str) -> Redis:
    return connect(url)


def connection(settings: Settings | None = None) -> Redis:
    """The connection of this process. Raises SettingsError when there is no address."""
    return _shared((settings or get_settings()).redis_address)


def forget_connections() -> None:
    """The next connection is a new one; for a process whose settings are others now."""
    _shared.cache_clear()


def check(settings: Settings) -> None:
    """Raise QueueError unless Redis answers."""
    try:
        connection(settings).ping()
    except RedisError as error:
        raise QueueError(
            f"Redis at {masked_url(settings.redis_address)} does not answer ({error}); start it, or correct"
            " REDIS_URL."
        ) from error


FULL = (
    "Redis has no memory left for new entries (its maxmemory); give it more. What is there already goes on"
    " being served."
)
DISK_FULL = "Redis cannot write to its disk, so it takes nothing new; free space on that disk."


def explain(error: RedisError) -> str:
    """What is wrong with Redis, and what to do about it."""
    text = str(error)
    if isinstance(error, OutOfMemoryError) or text.startswith("OOM"):
        return FULL
    if "MISCONF" in text:
        return DISK_FULL
    if isinstance(error, AuthenticationError):
        return "Redis refuses the password; correct REDIS_URL."
    if isinstance(error, ReadOnlyError):
        return "Redis is a read-only copy; set REDIS_URL to the server that can be written to."
    return "Redis does not answer; it may be restarting. Try again in a moment."


def find_problems(redis: Redis) -> list[str]:
    """Why Redis takes nothing new although it answers; empty where it does. Raises RedisError."""
    info = redis.info("memory") | redis.info("persistence")
    most = int(info.get("maxmemory", 0))
    states = (
        info.get("aof_last_write_status"),
        info.get("aof_last_bgrewrite_status"),
        info.get("rdb_last_bgsave_status"),
    )
    found = [FULL] if most and int(info.get("used_memory", 0)) >= most else []
    return found + ([DISK_FULL] if "err" in states else [])


class _Queue(Queue):
    """rq's queue."""

    def acquire_maintenance_lock(self) -> bool:
        """Whether this worker may clean up now what others have left.

        With rq's own quarter of an hour, one that is killed in these milliseconds would keep the others from
        it for so long, and a job that a killed worker had taken, and not begun, would wait.
        """
        return bool(self.connection.set(self.registry_cleaning_key, 1, nx=True, ex=CLEANING_SECONDS))


def named(name: str, redis: Redis | None = None) -> Queue:
    """One of the queues CONTROL and COMPUTE."""
    return _Queue(name, connection=redis or connection())


def as_text(value: Any) -> str:
    """Redis' bytes as text."""
    return value.decode() if isinstance(value, bytes) else str(value)
