"""Experiments that are kept in docs/ are read as they were written, and give the reported figures."""

import json
import re
from pathlib import Path

import pytest

from model.experiment.convergence import table
from model.experiment.evaluation.report import report
from model.experiment.record.results import Results

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "experiments"
KEPT = sorted(path.with_name("results.json") for path in FOLDER.glob("*/report.md"))
BY_PIXELS = FOLDER / "pixel" / "dsb2018_42_42_swapped" / "results.json"


def figures(text: str) -> list[str]:
    """All numbers of a text in their order, whatever words stand around them."""
    return re.findall(r"[+-]?\d+(?:\.\d+)?", text)


@pytest.mark.parametrize("path", [*KEPT, BY_PIXELS], ids=lambda path: path.parent.name)
def test_recorded_results_give_the_figures_of_their_report(path: Path, tmp_path: Path) -> None:
    """And what is read is written again as it was; the oldest do not tell the machine."""
    results = Results.load(path)
    assert figures(report(results)) == figures(path.with_name("report.md").read_text())
    results.save(tmp_path / "results.json")
    before = json.loads(path.read_text())
    runs = [{**run, "machine": run.get("machine", {})} for run in before["runs"]]
    assert json.loads((tmp_path / "results.json").read_text()) == {**before, "runs": runs}


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_recorded_trainings_give_the_figures_of_their_table(path: Path) -> None:
    """The oldest have the table alone; the sentences below it came later."""
    content = json.loads(path.with_name("convergence.json").read_text())
    kept = path.with_name("convergence.md").read_text()
    assert figures(table(content["dice"]).split("\n\n")[0]) == figures(kept.split("\n\n")[0])
