"""A PostgreSQL of the tests' own, and a Label Studio on it:
there the locks on tasks are exact, on SQLite they race."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.demo.server import Account, LabelStudioServer
from backend.run.processes import Program, free_port

INSTALL = "apt-get install postgresql"
PATIENCE = 120.0
"""Seconds that the server may take to start."""
OWNER = "postgres"
"""User of the machine that the server runs as where the tests run as root, which PostgreSQL refuses;
the package makes it."""
DATABASE = "postgres"
SETTINGS = Path(__file__).parent / "label_studio_settings"
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Nothing of a test has to survive a power cut."""


@dataclass(frozen=True)
class Postgres:
    """A server that runs, and how to log in."""

    port: int
    password: str
    user: str = "label_studio"

    @property
    def environment(self) -> dict[str, str]:
        """What Label Studio needs to use it."""
        return {
            "DJANGO_DB": "default",
            "POSTGRE_HOST": "127.0.0.1",
            "POSTGRE_PORT": str(self.port),
            "POSTGRE_NAME": DATABASE,
            "POSTGRE_USER": self.user,
            "POSTGRE_PASSWORD": self.password,
        }


class LabelStudioOnPostgres(LabelStudioServer):
    """As in the compose file: Label Studio's own settings for PostgreSQL, with the add-on."""

    def __init__(self, postgres: Postgres, data_dir: Path, admin: Account) -> None:
        super().__init__(data_dir, admin, port=free_port())
        self._postgres = postgres

    def program(self) -> Program:
        """What `start` runs; the tables are made before."""
        found = super().program()
        python = Path(found.command[0]).with_name("python")
        (manage,) = python.parent.parent.glob("lib/python3*/site-packages/label_studio/manage.py")
        make_tables: list[str | Path] = [python, manage, "migrate", "--run-syncdb", "--verbosity=0"]
        subprocess.run(make_tables, env={**os.environ, **self.environment()}, check=True, capture_output=True)
        return found

    def environment(self) -> dict[str, str]:
        """With the database, and without the settings for SQLite."""
        found = super().environment()
        return {
            **found,
            **self._postgres.environment,
            "PYTHONPATH": os.pathsep.join([found["PYTHONPATH"], str(SETTINGS)]),
            "DJANGO_SETTINGS_MODULE": "tables_at_once",
        }


def programs() -> Path:
    """The folder of PostgreSQL's programs, which Debian keeps out of the path. Skips the test without them;
    where CI=true it fails."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True
    )
    for folder in folders:
        if all((folder / name).exists() for name in ("initdb", "postgres")):
            return folder
    message = f"found no PostgreSQL server, which the test of two annotators needs; install it: {INSTALL}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """An empty server on a free port of 127.0.0.1; nothing of it is left afterwards."""
    folder = programs()
    # Not below pytest's own folder, which only its user may enter.
    home = Path(tempfile.mkdtemp(prefix="postgres-"))
    postgres = Postgres(free_port(), secrets.token_hex(16))
    try:
        password = home / "password"
        password.write_text(postgres.password)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(OWNER)
            for path in (home, password):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        data = home / "data"
        login = [f"--username={postgres.user}", "--auth=scram-sha-256", f"--pwfile={password}"]
        initdb: list[str | Path] = [
            folder / "initdb",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            *login,
            "-D",
            data,
        ]
        subprocess.run(_unprivileged(initdb), check=True, capture_output=True, cwd=home)
        options = [part for name, value in QUICK.items() for part in ("-c", f"{name}={value}")]
        serve: list[str | Path] = [
            folder / "postgres",
            "-D",
            data,
            "-h",
            "127.0.0.1",
            "-p",
            str(postgres.port),
            "-k",
            home,
            *options,
        ]
        running = Program("PostgreSQL", _unprivileged(serve), log=home / "postgres.log", folder=home).start()
        try:
            ready = home / "data" / "postmaster.pid"
            running.wait_until(lambda: ready.exists() and "ready" in ready.read_text(), timeout=PATIENCE)
            yield postgres
        finally:
            running.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _unprivileged(command: Sequence[str | Path]) -> list[str | Path]:
    """The command as root gives it to another user; for other users as it is."""
    if os.geteuid() != 0:
        return list(command)
    return [str(shutil.which("setpriv")), f"--reuid={OWNER}", f"--regid={OWNER}", "--init-groups", *command]
