"""What is wrong with an option is said before anything is read."""

import inspect
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import torch

from model.cli import app
from model.cli.options import given_path
from model.files import only_writer
from model.options import MOST_SEED
from tests.model.cli.commands import FAST, model, on

PATHS = {
    "rank": ("images", "masks", "out", "work"),
    "predict": ("model", "images", "out"),
    "experiment": ("data", "split", "out"),
    "converge": ("data", "split", "out"),
    "transfer": ("data", "split", "out"),
}
NEEDED = {"rank": ["--budget", "1"]}
ALL = [(command, path) for command, paths in PATHS.items() for path in paths]


@pytest.mark.parametrize(
    ("command", "empty"), [(command, one) for command in PATHS for one in PATHS[command]]
)
@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_path_is_not_the_current_folder(command: str, empty: str, text: str) -> None:
    """As a variable of the shell that is not set gives it."""
    given = dict.fromkeys(PATHS[command], "x") | {empty: text}
    options = [part for name, value in given.items() for part in (f"--{name}", value)]
    done = model(command, *options, *NEEDED.get(command, []))
    assert done.exit_code == 2
    said = " ".join(done.output.replace("│", " ").split())
    assert f"'--{empty}': found an empty path" in said


def test_a_comparison_takes_no_empty_path() -> None:
    done = model("compare", "")
    assert done.exit_code == 2
    assert "found an empty path" in done.output


def test_no_command_has_a_path_that_is_not_checked() -> None:
    for command in app.app.registered_commands:
        assert command.callback is not None
        for parameter in inspect.signature(command.callback, eval_str=True).parameters.values():
            kind, *declared = typing.get_args(parameter.annotation) or [parameter.annotation]
            if kind is Path or Path in typing.get_args(kind):
                assert [each.parser for each in declared] == [given_path], parameter.name


@pytest.mark.parametrize("command", ["rank", "experiment", "transfer"])
def test_a_seed_is_at_most_what_networks_take(command: str) -> None:
    options = [part for name in PATHS[command] for part in (f"--{name}", "x")]
    done = model(command, *options, *NEEDED.get(command, []), "--seed", str(MOST_SEED + 1))
    assert done.exit_code == 2
    assert "'--seed'" in done.output


def test_networks_take_the_largest_seed_of_an_experiment() -> None:
    """It counts on from the one that is given."""
    assert torch.Generator().manual_seed(MOST_SEED + 1_000_000).initial_seed() == MOST_SEED + 1_000_000


@pytest.mark.parametrize(
    ("command", "file"),
    [("experiment", "results.json"), ("converge", "convergence.json"), ("transfer", "transfer.json")],
)
def test_a_second_run_into_the_same_folder_is_refused(
    experiment_data: Path, tmp_path: Path, command: str, file: str
) -> None:
    """It would write from memory over what the first has found."""
    few = {"experiment": ["--sizes", "4"], "converge": ["--sizes", "3"], "transfer": ["--budget", "1"]}
    fast = FAST[:-4] if command == "converge" else FAST
    (tmp_path / "out").mkdir()
    with only_writer(tmp_path / "out" / file):
        done = model(command, *on(experiment_data), "--out", f"{tmp_path}/out", *few[command], *fast)
    assert done.exit_code == 2
    assert "another run that writes it" in done.stderr
    assert not (tmp_path / "out" / file).exists()


def test_a_run_that_is_killed_keeps_nobody_out(tmp_path: Path) -> None:
    hold = (
        "import sys, pathlib; from model.files import only_writer\n"
        "with only_writer(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    root = Path(__file__).resolve().parents[3]
    path = tmp_path / "results.json"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.kill()
    with only_writer(path):
        pass


@pytest.mark.parametrize(
    ("command", "option"), [each for each in ALL if each[0] != "predict" and each != ("rank", "out")]
)
def test_a_link_to_itself_is_told_without_a_traceback(
    experiment_data: Path, tmp_path: Path, command: str, option: str
) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    given = {"data": experiment_data, "split": experiment_data / "split.json", "out": tmp_path / "out"}
    given |= {name: experiment_data / name for name in ("images", "masks", "work")}
    paths = {name: given[name] for name in PATHS[command]} | {option: circle}
    options = [part for name, value in paths.items() for part in (f"--{name}", str(value))]
    few = {"converge": ["--sizes", "3"], "transfer": ["--budget", "1"], **NEEDED}.get(command, [])
    done = model(command, *options, *few, "--image-size", "64")
    assert done.exit_code == 2, done.output
    assert "circle" in done.stderr
