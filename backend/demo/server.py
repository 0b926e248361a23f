"""A real Label Studio, started and stopped unattended from an environment of its own, for the demo and for
tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from backend.errors import ProcessError
from backend.proxy import known_authorities
from backend.run.processes import Program, Running, free_port

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".venv-label-studio" / "bin" / "label-studio"
ADDON = ROOT / "backend" / "label_studio_addon"
"""The item "Recompute queries" in the Data Manager;
on PYTHONPATH it is there, without a change of Label Studio's package."""
PORT = 8080
"""Label Studio's own default; another is taken when something listens there."""
DATABASE = "label_studio.sqlite3"
EMPTY_DATABASE = ROOT / ".venv-label-studio" / "new" / DATABASE
"""Made by `make setup`; copying it saves a first start 40 s of processor time."""
START_SECONDS = 600.0
"""Without that database a first start takes 40 s on two idle cores, several times that on busy ones."""
_REQUEST_SECONDS = 30.0


@dataclass(frozen=True)
class Account:
    """A user of the server: what they log in with, and their legacy token (the header is `Authorization:
    Token ...`)."""

    email: str
    password: str
    token: str


class LabelStudioServer:
    """A Label Studio on 127.0.0.1 with SQLite;
    everything it keeps is in `data_dir`, so that a later start goes on from there.

    `admin` is created at the first start and stays.
    Folders below `files` can be shown to projects (see `share_folder`).
    """

    def __init__(
        self, data_dir: Path, admin: Account, *, port: int | None = None, program: Path = PROGRAM
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.files = self.data_dir / "files"
        self.log = self.data_dir / "label-studio.log"
        self.admin = admin
        self.port = free_port(PORT if port is None else port)
        self.url = f"http://127.0.0.1:{self.port}"
        self._program = program
        self._running: Running | None = None

    @property
    def token(self) -> str:
        """The administrator's legacy token."""
        return self.admin.token

    @property
    def pids(self) -> list[int]:
        """The ids of its processes."""
        return self._running.pids() if self._running else []

    def start(self, tick: Callable[[float], None] | None = None) -> None:
        """Start it and wait until it answers; `tick(seconds waited)` is called meanwhile.

        Raises ProcessError, with the end of its log, when it ends or does not answer in time.
        """
        self._running = self.program().start()
        try:
            self._running.wait_until(self.healthy, timeout=START_SECONDS, tick=tick)
        except BaseException:
            self.stop()
            raise

    def program(self) -> Program:
        """What a supervisor runs in place of `start`.
        Raises ProcessError when Label Studio is not installed."""
        if not self._program.exists():
            raise ProcessError(
                f"found no Label Studio at {self._program}, expected its environment; run `make setup`."
            )
        self.files.mkdir(parents=True, exist_ok=True)
        if not (self.data_dir / DATABASE).exists() and EMPTY_DATABASE.exists():
            beside = self.data_dir / f".{DATABASE}"
            shutil.copyfile(EMPTY_DATABASE, beside)
            beside.replace(self.data_dir / DATABASE)
        command: list[str | Path] = [
            self._program,
            "start",
            "--no-browser",
            "--internal-host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        return Program(
            "Label Studio", command, environment=self.environment(), log=self.log, folder=self.data_dir
        )

    def stop(self) -> None:
        """Stop it; does nothing if it does not run."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def healthy(self) -> bool:
        """Tell whether it answers."""
        try:
            return httpx.get(f"{self.url}/health", timeout=5, verify=known_authorities()).status_code == 200
        except httpx.HTTPError:
            return False

    def share_folder(self, project: int, folder: Path) -> None:
        """Let a project show the images of a folder below `files`; their tasks say `address(file)`."""
        body = {
            "project": project,
            "path": str(folder.resolve()),
            "use_blob_urls": True,
            "title": folder.name,
        }
        headers = {"Authorization": f"Token {self.token}"}
        httpx.post(
            f"{self.url}/api/storages/localfiles", json=body, headers=headers, timeout=_REQUEST_SECONDS
        ).raise_for_status()

    def address(self, file: Path) -> str:
        """Tell what a task's data holds for a file below `files`."""
        # As a synced storage of Label Studio writes it:
        # "#", "&", "+", "%" in a name mean something else in an address.
        return f"/data/local-files/?d={quote(str(file.resolve().relative_to(self.files)))}"

    def environment(self) -> dict[str, str]:
        """What it is started with, beside this process's own."""
        return {
            "LABEL_STUDIO_BASE_DATA_DIR": str(self.data_dir),
            "LABEL_STUDIO_HOST": self.url,
            # The next three instead of arguments: arguments can be read by every user of the machine.
            "LABEL_STUDIO_USERNAME": self.admin.email,
            "LABEL_STUDIO_PASSWORD": self.admin.password,
            "LABEL_STUDIO_USER_TOKEN": self.admin.token,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",  # read only when the organization is created
            "USE_DEFAULT_BANNED_SUBNETS": "false",  # a stock server refuses backends on private addresses
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(self.files),
            "COLLECT_ANALYTICS": "false",
            "LATEST_VERSION_CHECK": "false",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            "PYTHONPATH": str(ADDON),
            "DJANGO_SETTINGS_MODULE": "recompute_queries.sqlite",
        }
