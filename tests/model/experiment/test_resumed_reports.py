"""What the report of an experiment says that was killed, or goes on elsewhere."""

import dataclasses
import json
from pathlib import Path

import pytest

from model.experiment.record.results import Results
from model.experiment.record.run import RANDOM
from model.experiment.runner import run_experiment
from model.network.device import default_device
from tests.model.experiment.small_runs import protocol_of


def test_the_report_of_what_is_grown_says_at_once_that_it_is_incomplete(data: Path, tmp_path: Path) -> None:
    small = protocol_of(data, experiments=1, strategies=(RANDOM,), sizes=(3,), random_draws=1, options={})
    run_experiment(small, tmp_path)
    assert "Incomplete" not in (tmp_path / "report.md").read_text()

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_experiment(dataclasses.replace(small, experiments=2), tmp_path, on_run=kill)
    assert "Incomplete" in (tmp_path / "report.md").read_text()


def test_trainings_that_ran_elsewhere_are_told(data: Path, tmp_path: Path) -> None:
    protocol = protocol_of(data, experiments=1, strategies=(RANDOM,), sizes=(3,), random_draws=1, options={})
    path = tmp_path / "results.json"
    run_experiment(protocol, tmp_path)
    results = Results.load(path)
    for run in results.runs:
        results.add(dataclasses.replace(run, machine={**run.machine, "device": "NVIDIA H200"}))
    results.save(path)
    run_experiment(dataclasses.replace(protocol, repeats=2), tmp_path)
    assert "NVIDIA H200 and " in (tmp_path / "report.md").read_text()


def test_an_experiment_begun_on_another_machine_goes_on(data: Path, tmp_path: Path) -> None:
    """Device, threads and precision change the last digits, which is told, not refused;
    a run of before they were noted is kept as well."""
    protocol = protocol_of(data, experiments=1, strategies=(RANDOM,), sizes=(3,), random_draws=1)
    run_experiment(protocol, tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    content["runs"][0]["machine"] = {"device": "NVIDIA H200", "threads": 16, "precision": "bfloat16"}
    del content["runs"][1]["machine"]
    (tmp_path / "results.json").write_text(json.dumps(content))
    after = run_experiment(dataclasses.replace(protocol, sizes=(3, 4)), tmp_path)
    assert [run.machine.get("device") for run in after.runs][:2] == ["NVIDIA H200", None]
    assert after.get((0, RANDOM, 0, 4)).machine["device"] == default_device().type
    report = (tmp_path / "report.md").read_text()
    (header,) = (line for line in report.splitlines() if line.startswith("| sets trained on"))
    cells = header.strip("| ").split(" | ")
    assert cells[1:3] == ["not noted", "device NVIDIA H200, threads 16, precision bfloat16"]
    assert cells[3].startswith("device ")
    rows = {
        line.split(" | ")[0]: line.split(" | ")[1:]
        for line in report[report.index("| sets trained on") :].splitlines()[:5]
    }
    assert (rows["| initial"][:2], rows["| random"][:2]) == (["0", "1"], ["1", "0"])
    assert "different machines" in report
