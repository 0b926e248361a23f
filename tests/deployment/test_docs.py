"""docs/deployment.md keeps its promises:
what can run without Docker runs, and the rest names what there is."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from backend.cli import app
from backend.settings import Settings
from backend.store.storage import Storage
from backend.store.versions import Versions
from tests.deployment.composed import COMPOSE, EXAMPLE, VARIABLE
from tests.documents import README, page
from tests.object_store import BUCKET, ObjectStore
from tests.service.conftest import publish_version

SERVICES = set(yaml.safe_load(COMPOSE.read_text())["services"])
VOLUMES = {"web": "/data", "label-studio": "/label-studio/data"}


DEPLOYMENT = page("deployment.md")
COMMANDS = DEPLOYMENT.commands
COMPOSE_COMMANDS = [
    line[line.index("docker compose") :] for line in (*README.commands, *COMMANDS) if "docker compose" in line
]


@pytest.mark.parametrize("command", COMPOSE_COMMANDS)
def test_compose_commands_name_services_that_there_are(command: str) -> None:
    """And what they run inside is a command of this service, or a program."""
    words = shlex.split(re.split(r" [|<>] ", command)[0])[2:]
    action, *rest = words
    assert action in {"up", "ps", "exec", "run", "stop", "start"}
    with_value = {"--scale", "--entrypoint"}
    names = [
        word
        for index, word in enumerate(rest)
        if not word.startswith("-") and (index == 0 or rest[index - 1] not in with_value)
    ]
    of_action = names if action in {"up", "stop", "start"} else names[:1]
    assert set(of_action) <= SERVICES
    scaled = [rest[index + 1].split("=")[0] for index, word in enumerate(rest) if word == "--scale"]
    assert set(scaled) <= SERVICES
    inside = names[1:] if action in {"exec", "run"} else []
    if inside[:1] == ["python"] and "-m" in rest:
        inside = rest[rest.index("-m") + 2 :]
    elif action == "exec" or "--entrypoint" in rest:
        return
    if inside:
        assert CliRunner().invoke(app, [*inside, "--help"]).exit_code == 0, inside


def test_files_to_write_beside_the_compose_file_fit_it(tmp_path: Path) -> None:
    """Each is valid by the schema and speaks of services that there are."""
    overrides = DEPLOYMENT.blocks("yaml")
    assert len(overrides) == 2
    for number, text in enumerate(overrides):
        assert set(yaml.safe_load(text)["services"]) <= SERVICES
        file = tmp_path / f"{number}.yml"
        file.write_text(text)
        checker = [
            str(Path(sys.executable).parent / "check-jsonschema"),
            "--builtin-schema",
            "vendor.compose-spec",
            str(file),
        ]
        done = subprocess.run(checker, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_variables_to_set_are_read_by_somebody() -> None:
    known = set(VARIABLE.findall(COMPOSE.read_text())) | {name.upper() for name in Settings.model_fields}
    named = {line.split("=")[0] for block in DEPLOYMENT.blocks("ini") for line in block.splitlines()}
    assert named
    assert {name for name in named if not name.startswith("AWS_")} <= known
    assert {name for name in named if name.startswith("AWS_")} <= set(
        re.findall(r"^#(\w+)=", EXAMPLE.read_text(), re.MULTILINE)
    )


def inside(command: str, service: str, folder: Path) -> str:
    """A command line for a container as one for this machine, where `folder` is its volume."""
    words = re.sub(
        r"docker compose (exec|run)( --rm)? -T( --no-deps)? (--entrypoint tar )?" + service + " (tar )?",
        "tar ",
        command,
    )
    return words.replace(VOLUMES[service], str(folder))


def test_a_backup_holds_all_models_and_uploads(tmp_path: Path) -> None:
    """The archiving lines of backup and restore, run here: what is restored works."""
    lines = [line for line in COMMANDS if re.search(r"tar .*(-czf|-xzf)", line)]
    folders = {service: tmp_path / service for service in VOLUMES}
    publish_version(folders["web"], 7, steps=2)
    (folders["web"] / "cache").mkdir()
    (folders["label-studio"] / "media").mkdir(parents=True)
    (folders["label-studio"] / "media" / "a.png").write_bytes(b"image")
    (tmp_path / "backup").mkdir()
    for step in ("-czf", "-xzf"):
        for service, folder in folders.items():
            (line,) = [line for line in lines if step in line and f" {service} " in line]
            subprocess.run(inside(line, service, folder), shell=True, cwd=tmp_path, check=True)
        if step == "-czf":
            for folder in folders.values():
                shutil.rmtree(folder)
                folder.mkdir()
    restored = Versions(Storage(folders["web"]), 7)
    assert restored.current() == "v1"
    assert restored.load("v1").classes == 2
    assert not (folders["web"] / "cache").exists()
    assert (folders["label-studio"] / "media" / "a.png").read_bytes() == b"image"


def test_a_second_machine_joins(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`share` gives the first one's models to the storage, where the other finds them;
    without a storage it says what is missing."""
    publish_version(tmp_path / "one", 7, steps=2)
    object_store.use(monkeypatch)
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "one"))
    monkeypatch.setenv("STORAGE_URL", "")
    done = CliRunner().invoke(app, ["share"])
    assert (done.exit_code, "STORAGE_URL is not set" in done.output) == (2, True)
    url = f"s3://{BUCKET}/{tmp_path.name}"
    monkeypatch.setenv("STORAGE_URL", url)
    for given in ("3 files", "0 files"):
        done = CliRunner().invoke(app, ["share"])
        assert (done.exit_code, given in done.output) == (0, True), done.output
    other = Versions(Storage(tmp_path / "two", url), 7)
    assert other.load(other.current() or "").classes == 2
