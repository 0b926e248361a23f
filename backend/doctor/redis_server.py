"""Redis: reachable, new enough, keeping what is written, and with room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from backend.errors import SettingsError
from backend.finding import Finding, Severity
from backend.queue.connection import connect
from backend.settings import Settings, masked_url

SECONDS = 3.0
OLDEST = (6, 2)
"""rq moves jobs with LMOVE, which older servers have not."""
FULL = 0.8
"""Share of maxmemory in use above which it is told."""
# redis-cli takes "redis://:password@" for a user without a name, and is refused.
_SET = 'redis-cli -u "${REDIS_URL/:\\/\\/:/:\\/\\/default:}" CONFIG SET'


def open_redis(settings: Settings) -> Redis:
    """A connection that gives up early. Raises SettingsError."""
    return connect(settings.redis_address, timeout=SECONDS, attempts=1)


def check(settings: Settings) -> list[Finding]:
    """What a running server tells of itself."""
    try:
        redis = open_redis(settings)
    except SettingsError as error:
        return [Finding("redis", Severity.ERROR, str(error), "python -m backend up")]
    where = masked_url(settings.redis_address)
    try:
        info: Mapping[str, Any] = redis.info()
    except AuthenticationError as error:
        return [
            Finding(
                "redis",
                Severity.ERROR,
                f"{where} refuses the password ({error})",
                "export REDIS_URL with the right password",
            )
        ]
    except RedisError as error:
        remedy = "start it, or export the right REDIS_URL" if settings.redis_url else "python -m backend up"
        return [Finding("redis", Severity.ERROR, f"{where} does not answer ({error})", remedy)]
    finally:
        redis.close()
    return [_server(info, where), _kept(info), _memory(info)]


def _server(info: Mapping[str, Any], where: str) -> Finding:
    version = str(info.get("redis_version", "?"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    text = f"version {version} at {where}"
    if numbers < OLDEST:
        return Finding(
            "redis",
            Severity.ERROR,
            f"{text}, expected {'.'.join(map(str, OLDEST))} or newer",
            "install a newer Redis",
        )
    return Finding("redis", Severity.OK, text)


def _kept(info: Mapping[str, Any]) -> Finding:
    if not int(info.get("aof_enabled", 0)):
        text = (
            "the append-only file is off: a restart of Redis loses events and jobs; labels that were missed"
            " are found again within minutes"
        )
        return Finding("redis file", Severity.WARNING, text, f"{_SET} appendonly yes")
    if str(info.get("aof_last_write_status", "ok")) != "ok":
        return Finding(
            "redis file",
            Severity.ERROR,
            "Redis cannot write its append-only file",
            "free space on the disk of Redis",
        )
    return Finding("redis file", Severity.OK, "the append-only file is on")


def _memory(info: Mapping[str, Any]) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    policy = str(info.get("maxmemory_policy", ""))
    text = f"{used >> 20} MiB used" + (f" of {most >> 20} MiB" if most else "")
    if most and policy not in ("", "noeviction"):
        text += f", and what does not fit is thrown away ({policy}): jobs would be lost"
        return Finding("redis memory", Severity.WARNING, text, f"{_SET} maxmemory-policy noeviction")
    if most and used > FULL * most:
        return Finding("redis memory", Severity.WARNING, text, f"{_SET} maxmemory {2 * most}")
    return Finding("redis memory", Severity.OK, text)
