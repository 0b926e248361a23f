"""The README keeps its promises: its commands run, its settings are the settings."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.settings import ProjectSettings, Settings
from model import cli
from model.recipe import Recipe
from model.strategies import strategy_names

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [line.strip() for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines() if line.strip()]
FAST = "--image-size 64 --crop 32 --width 4 --depth 3"
STEPS = {
    "rank": "--steps 12 --row-steps 4 --candidates 2",
    "experiment": "--steps 4 --row-steps 2 --candidates 2 --draws 1",
    "transfer": "--steps 8 --row-steps 2",
}


@pytest.fixture
def folder(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder: images/ and masks/ partly labelled, data/ fully."""
    source = shared_data / "usiigaci_t98g"
    names = sorted(path.name for path in (source / "images").iterdir())[:16]
    for target, some in (("images", names[:9]), ("masks", names[:3]), ("data/images", names), ("data/masks", names)):
        (tmp_path / target).mkdir(parents=True)
        for name in some:
            shutil.copy(source / Path(target).name / name, tmp_path / target)
    (tmp_path / "data/split.json").write_text(json.dumps({"pool": names[:13], "test": names[13:]}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "CACHE", tmp_path / "cache")
    return tmp_path


@pytest.mark.parametrize("command", [command for command in COMMANDS if " -m model " in command])
def test_commands_of_the_science_run_as_written(folder: Path, command: str) -> None:
    """With a recipe of seconds added, and in one process where the user has several."""
    arguments = shlex.split(command.split(" -m model ")[1].replace("--jobs 2", ""))
    added = shlex.split(f"{FAST} {STEPS.get(arguments[0], '')}")
    if arguments[0] == "converge":
        arguments[arguments.index("--steps") + 1] = "2,4"
    if arguments[0] == "experiment":
        arguments[arguments.index("--experiments") + 1] = "1"
    done = CliRunner().invoke(cli.app, [*arguments, *added])
    assert done.exit_code == 0, done.output
    assert (folder / arguments[arguments.index("--out") + 1]).exists()


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = [command.split()[1] for command in COMMANDS if command.startswith("make ")]
    assert {"demo", "test"} <= set(targets)
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


@pytest.mark.parametrize("command", [command for command in COMMANDS if " -m backend " in command])
def test_commands_of_the_service_are_understood(command: str) -> None:
    """Their effect is tested with a real Label Studio; here, that command and options are as written."""
    from backend.cli import app

    arguments = shlex.split(command.split(" -m backend ")[1])
    done = CliRunner().invoke(app, [*arguments, "--help"])
    assert done.exit_code == 0, done.output


def test_the_tables_list_every_setting() -> None:
    for name in Settings.model_fields:
        assert f"| `{name.upper()}` |" in README, name
    for name in (*ProjectSettings.model_fields, *strategy_names()):
        assert f"| `{name}` |" in README, name
    for name, value in Recipe().to_dict().items():
        given = re.findall(rf"^\| `{name}` \| (.*?) \|", README, re.MULTILINE)
        assert given, name
        assert given[-1].strip("`").split(",")[0] == str("" if value is None else value), name


def test_every_picture_and_page_that_it_links_exists() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
