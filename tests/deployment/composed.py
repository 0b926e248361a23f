"""docker-compose.yml as compose reads it, without Docker."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values
from podman_compose import rec_subs

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)")


def read(variables: Mapping[str, str | None]) -> dict[str, Any]:
    """The services and volumes under these variables.
    Raises ValueError for a missing one, with the file's message."""
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return {
        part: rec_subs(content[part], {name: value or "" for name, value in variables.items()})
        for part in ("services", "volumes")
    }


def written_env(folder: Path) -> dict[str, str]:
    """The variables of the .env that `make .env` writes into an empty folder."""
    for file in (EXAMPLE, ROOT / "Makefile"):
        (folder / file.name).write_bytes(file.read_bytes())
    subprocess.run(["make", "--silent", ".env"], cwd=folder, check=True, capture_output=True)
    return {name: value or "" for name, value in dotenv_values(folder / ".env").items()}


def instruction(name: str) -> list[str]:
    """The arguments of the last instruction of that name in the Dockerfile, in exec form or as words."""
    joined = DOCKERFILE.replace("\\\n", " ")
    line = [line for line in joined.splitlines() if line.startswith(f"{name} ")][-1]
    found = re.search(r"(\[.*\])\s*$", line)
    return list(yaml.safe_load(found.group(1))) if found else shlex.split(line)[1:]


def environment(service: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """What the service's program finds in its environment: the env_file, and over it its own."""
    from_file = dict(variables) if service.get("env_file") == ".env" else {}
    return from_file | {name: str(value) for name, value in service["environment"].items()}


def command(service: Mapping[str, Any]) -> list[str]:
    """The program and its arguments."""
    return (
        [*instruction("ENTRYPOINT"), *service["command"]] if "build" in service else list(service["command"])
    )


def health(service: Mapping[str, Any]) -> list[str]:
    """The command of its health check: its own, or the image's."""
    kind, *rest = (
        service["healthcheck"]["test"] if "healthcheck" in service else ["CMD", *instruction("HEALTHCHECK")]
    )
    return ["sh", "-c", *rest] if kind == "CMD-SHELL" else rest


def seconds(duration: str) -> float:
    """30 of "30s"."""
    return float(duration.removesuffix("s"))
