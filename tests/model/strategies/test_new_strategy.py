"""A new strategy is one new file: nothing else has to be changed for it to be reached."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STRATEGY = '''
"""Of a lab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from model.options import option
from model.similarity.round import Round
from model.strategies.base import Ranking, Strategy, as_ranking


@dataclass(frozen=True)
class ByName(Strategy):
    """Images by their names."""

    name: ClassVar[str] = "by_name"
    asks_for: ClassVar[str] = "images by their names"
    backwards: bool = option(False, "Whether the last name comes first.")
    letters: int = option(3, "Letters that count.", least=1, most=9)
    weight: float | None = option(None, "A number that is not used.", above=0)

    def rank(self, round_: Round, budget: int) -> Ranking:
        """By name."""
        order = sorted(round_.unlabelled, reverse=self.backwards)
        return as_ranking(order, budget, [f"letters: {self.letters}"] * len(order))
'''
DRIVER = """
import json, sys
import model.strategies
model.strategies.__path__.append(sys.argv[1])
from backend.errors import SettingsError
from backend.settings import parse_project_settings
from model.cli.app import app
told = dict(parse_project_settings('{"strategy": "by_name", "letters": 5}').strategy_options)
try:
    parse_project_settings('{"letters": 10, "weight": 0}')
except SettingsError as error:
    told["error"] = str(error)
print(json.dumps(told))
app(sys.argv[2:])
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder that holds the file of the strategy, and nothing else."""
    folder = tmp_path / "strategies"
    folder.mkdir()
    (folder / "by_name.py").write_text(STRATEGY)
    return folder


def run(lab: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command line of the science with the file of the lab in the package."""
    command = [sys.executable, "-c", DRIVER, str(lab), *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={"COLUMNS": "200", "PATH": ""}, capture_output=True, text=True, check=False
    )


def test_it_is_in_the_help_in_the_extra_params_and_in_a_ranking(
    lab: Path, shared_data: Path, tmp_path: Path
) -> None:
    """With its options, their limits and their defaults."""
    source = shared_data / "usiigaci_t98g"
    names = sorted(path.name for path in (source / "images").iterdir())[:6]
    for kind, some in (("images", names), ("masks", names[:2])):
        (tmp_path / kind).mkdir()
        for name in some:
            shutil.copy(source / kind / name, tmp_path / kind / name)
    out = tmp_path / "ranking.csv"
    paths = [
        "--images",
        f"{tmp_path}/images",
        "--masks",
        f"{tmp_path}/masks",
        "--out",
        str(out),
        "--work",
        f"{tmp_path}/work",
    ]
    done = run(lab, "rank", *paths, "--budget", "2", "--strategy", "by_name", "--backwards", "--letters", "4")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(out.open()))
    assert [row["file"] for row in rows] == names[:1:-1]
    assert {row["reason"] for row in rows} == {"letters: 4"}
    told = json.loads(done.stdout.splitlines()[0])
    assert told["letters"] == 5
    assert "letters: found 10, expected a whole number from 1 to 9" in told["error"]
    assert "weight: found 0, expected a number above 0" in told["error"]

    shown = " ".join(run(lab, "rank", "--help").stdout.split())
    assert "--backwards Whether the last name comes first. For by_name." in shown
    assert "Letters that count. For by_name. Default: 3." in shown
    wrong = run(lab, "rank", *paths, "--budget", "2", "--strategy", "by_name", "--letters", "10")
    assert (wrong.returncode, "--letters" in wrong.stderr) == (2, True)


def test_an_option_means_the_same_in_every_strategy(lab: Path) -> None:
    """Or it would be unclear what the extra params say."""
    file = lab / "by_name.py"
    file.write_text(file.read_text().replace("letters: int = option(3,", "candidates: int = option(3,"))
    done = run(lab, "rank", "--help")
    assert done.returncode != 0
    assert "declare the option 'candidates' differently" in done.stderr
