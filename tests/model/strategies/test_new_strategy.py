"""A new strategy is one new file: nothing else has to be changed for it to be reached."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

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
from typer.testing import CliRunner
from backend.errors import SettingsError
from backend.project_settings import parse_project_settings
from model.errors import StrategyError
from model.cli.app import app
told = dict(parse_project_settings('{"strategy": "by_name", "letters": 5}').strategy_options)
try:
    parse_project_settings('{"letters": 10, "weight": 0}')
except SettingsError as error:
    told["error"] = str(error)
done = [CliRunner().invoke(app, arguments) for arguments in json.loads(sys.argv[3])]
model.strategies.__path__.append(sys.argv[2])
try:
    model.strategies.strategy_options()
except StrategyError as error:
    told["twice"] = str(error)
print(json.dumps([told, *([each.exit_code, each.stdout, each.stderr] for each in done)]))
"""


def test_it_is_in_the_help_in_the_extra_params_and_in_a_ranking(shared_data: Path, tmp_path: Path) -> None:
    """With its options, their limits and their defaults; an option that means something else in another
    strategy is refused."""
    for name, text in (
        ("by_name", STRATEGY),
        ("by_age", STRATEGY.replace("ByName", "ByAge").replace("by_name", "by_age").replace("(3,", "(4,")),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").write_text(text)
    source = shared_data / "usiigaci_t98g"
    names = sorted(path.name for path in (source / "images").iterdir())[:6]
    for kind, some in (("images", names), ("masks", names[:2])):
        (tmp_path / kind).mkdir()
        for name in some:
            shutil.copy(source / kind / name, tmp_path / kind / name)
    out = tmp_path / "ranking.csv"
    paths = ["--images", f"{tmp_path}/images", "--masks", f"{tmp_path}/masks", "--out", str(out)]
    rank = ["rank", *paths, "--work", f"{tmp_path}/work", "--budget", "2", "--strategy", "by_name"]
    commands = [[*rank, "--backwards", "--letters", "4"], ["rank", "--help"], [*rank, "--letters", "10"]]
    folders = [str(tmp_path / "by_name"), str(tmp_path / "by_age")]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *folders, json.dumps(commands)],
        cwd=ROOT,
        env={"COLUMNS": "200", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told, ranked, shown, wrong = json.loads(done.stdout)
    assert ranked[0] == 0, ranked
    rows = list(csv.DictReader(out.open()))
    assert [row["file"] for row in rows] == names[:1:-1]
    assert {row["reason"] for row in rows} == {"letters: 4"}
    assert told["letters"] == 5
    for name, found, expected in (("letters", 10, "1 to 9"), ("weight", 0, "above 0")):
        assert re.search(rf"{name}: found {found}, expected .*{expected}", told["error"])
    help_text = " ".join(shown[1].split())
    assert re.search(r"--backwards Whether .*? For by_name\.", help_text)
    assert re.search(r"Letters that count\. For by_name\. Default: 3\.", help_text)
    assert (wrong[0], "--letters" in wrong[2]) == (2, True)
    assert "'letters'" in told["twice"]
