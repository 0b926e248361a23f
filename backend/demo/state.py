"""What a demo keeps between two runs beside the programs' own data:
passwords, keys, and which project belongs to which images."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from backend.demo.server import PORT, Account
from backend.errors import SettingsError
from backend.run.redis_server import write_private

FILE = "state.json"
EMAIL = "admin@example.com"


@dataclass
class State:
    """Made at random at the first run;
    `projects` maps where images come from to the project's id in Label Studio."""

    password: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    token: str = field(default_factory=lambda: secrets.token_hex(20))
    backend_password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    label_studio_port: int = PORT
    backend_port: int = 9090
    projects: dict[str, int] = field(default_factory=dict)

    @property
    def admin(self) -> Account:
        """Who logs in to Label Studio."""
        return Account(EMAIL, self.password, self.token)

    def save(self, folder: Path) -> None:
        """Write it into the demo's folder, for this user's eyes only."""
        folder.mkdir(parents=True, exist_ok=True)
        write_private(folder / FILE, json.dumps(asdict(self), indent=2) + "\n")


def load(folder: Path) -> State:
    """The state of the last run, or a new one. Raises SettingsError when the file cannot be read."""
    path = folder / FILE
    if not path.exists():
        return State()
    try:
        return State(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"{path}: found no state of a demo ({error}); restore it, or move the folder {folder} away to"
            " begin anew."
        ) from error
