"""The whole service on one machine:
web server, workers, scheduler, and an embedded Redis where REDIS_URL names none."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydantic import SecretStr

from backend.errors import ProcessError
from backend.proxy import known_authorities
from backend.queue.connection import CONTROL_WORKERS
from backend.run import redis_server
from backend.run.port_holder import describe_holder
from backend.run.private_folder import keep_private, private_files
from backend.run.processes import Program, free_port
from backend.run.redis_server import EmbeddedRedis
from backend.run.supervisor import Supervisor
from backend.settings import BACKEND_FILE, EMBEDDED_REDIS_FILE, MARK, Settings

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
WEB_SECONDS = 120.0
"""Importing the networks' libraries takes a few seconds, on a busy machine many."""
WORKER_GRACE = 8.0
"""Seconds;
half of it for the running job to come to its end, then it is given up and repeated after the next start."""
"""File in MODEL_DIR that holds the address of the backend while it runs, for commands whose shell has not the
same HOST and PORT."""


@dataclass
class Service:
    """What `start` starts. `settings` are those in force: with the Redis that runs, and the port."""

    settings: Settings
    logs: Path | None = None
    """Folder for one log file a process; None: everything goes to this process's output."""
    any_port: bool = False
    """Take another port where PORT is taken;
    else `start` refuses, as Label Studio's connections point to PORT."""
    say: Callable[[str], None] = log.info
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    """By it the web server is told from another that was faster to take its port."""

    def start(self, supervisor: Supervisor) -> None:
        """Start everything under the supervisor, and wait until the web server answers.
        Raises ProcessError, SettingsError."""
        self.require_port()
        self.settings = self.settings.model_copy(update={"model_dir": self.settings.model_dir.resolve()})
        if self.settings.redis_url is None:
            self._start_redis(supervisor)
        self._start_web(supervisor)
        self.start_workers(supervisor)
        supervisor.add(self._program("scheduler", python("backend.run.scheduler")))
        self.say("The scheduler.")

    def start_workers(self, supervisor: Supervisor) -> None:
        """Start this machine's workers:
        some for short jobs, so that no training delays them, and WORKERS for all others."""
        supervisor.add(self._program("workers", python("backend.run.worker_pool")))
        plural = "s" if self.settings.workers > 1 else ""
        self.say(
            f"{self.settings.workers} worker{plural} for trainings and rounds, and {CONTROL_WORKERS} for"
            " short jobs."
        )

    def _start_redis(self, supervisor: Supervisor) -> None:
        redis = EmbeddedRedis(self.settings.model_dir / "redis", log=self._log("redis"))
        supervisor.add(
            redis.program, ready=redis.healthy, timeout=redis_server.START_SECONDS, foundation=True
        )
        self.settings = self.settings.model_copy(update={"redis_url": redis.address})
        self.say(f"Embedded Redis on port {redis.port}.")

    def require_port(self) -> None:
        """Raise ProcessError, naming who listens there, unless PORT is free or another will do."""
        port = self.settings.port
        if self.any_port or free_port(port) == port:
            return
        raise ProcessError(
            f"Port {port} is taken by {describe_holder(port)}, expected it to be free: the connections in"
            f" Label Studio point to {self.settings.own_url}. End that program; or set PORT to another"
            " number, start again, and run `python -m backend connect --project NUMBER` for each project,"
            " which moves its connection."
        )

    def _start_web(self, supervisor: Supervisor) -> None:
        for last in (False, False, True):
            if self.any_port:
                self._take_a_port()
            try:
                supervisor.add(self._program("web", web_command()), ready=self.healthy, timeout=WEB_SECONDS)
                break
            except ProcessError:
                # somebody was faster: that says more than the log of a program that could not listen
                self.require_port()
                if last or free_port(self.settings.port) == self.settings.port:
                    raise
        self.say(f"Backend at {self.settings.local_url}.")

    def _take_a_port(self) -> None:
        asked = self.settings.port
        self.settings = self.settings.model_copy(update={"port": free_port(asked)})
        if self.settings.port != asked:
            self.say(f"Port {asked} is taken; the backend listens on {self.settings.port}.")

    def healthy(self) -> bool:
        """Tell whether the web server, and no other program on its port, answers."""
        try:
            answer = httpx.get(
                f"{self.settings.local_url}/health",
                auth=self.settings.basic_auth,
                timeout=5,
                verify=known_authorities(),
            )
            return answer.status_code == 200 and answer.json().get("mark") == self.mark
        except (httpx.HTTPError, ValueError, AttributeError):
            return False

    def _program(self, name: str, command: list[str]) -> Program:
        own = {"OMP_NUM_THREADS": str(self.settings.torch_threads), MARK: self.mark}
        return Program(
            name,
            command,
            environment=environment(self.settings) | own,
            log=self._log(name),
            grace=WORKER_GRACE,
        )

    def _log(self, name: str) -> Path | None:
        return None if self.logs is None else self.logs / f"{name}.log"


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this project."""
    return [sys.executable, "-m", module, *arguments]


def web_command() -> list[str]:
    """The command of the web server; it reads HOST and PORT itself."""
    return python("gunicorn", "--config", "python:backend.web.gunicorn_config", "backend.app:create_app()")


def environment(settings: Settings) -> dict[str, str]:
    """The variables that make another process of this project read these settings."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    values = {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    for name in Settings.model_fields:
        values[name.upper()] = _as_variable(getattr(settings, name))
    return values


def _as_variable(value: object) -> str:
    """A setting as the text of an environment variable; an empty one counts as not set."""
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value.resolve())
    return json.dumps(value) if isinstance(value, dict | bool) else str(value)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, so that no second service writes there.
    Raises ProcessError when another process holds it.

    The kernel frees it when this process ends, however it ends.
    The folder, and what is written meanwhile, is for this user alone.
    """
    keep_private(folder, log.warning)
    with private_files(), (folder / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise ProcessError(
                f"Another service (process {holder}) runs on {folder.resolve()}, expected none; stop it, or"
                " set another MODEL_DIR."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def addresses(settings: Settings) -> Iterator[None]:
    """Leave the addresses of Redis and backend, while they run, where commands in other shells look;
    only this user can read them."""
    files = {EMBEDDED_REDIS_FILE: settings.redis_url or "", BACKEND_FILE: settings.own_url}
    try:
        for name, address in files.items():
            redis_server.write_private(settings.model_dir / name, address)
        yield
    finally:
        for name in files:
            (settings.model_dir / name).unlink(missing_ok=True)
