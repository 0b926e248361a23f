"""Several experiments in one table, and the rule for the default, on figures worked out by hand."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from model.cli.app import app
from model.errors import ResultsError
from model.experiment.evaluation.several import describe_sets, means_over, read_sets
from model.experiment.record.results import Results
from model.experiment.record.run import INITIAL, RANDOM
from tests.model.experiment.small_runs import make
from tests.model.experiment.tables import row

Gains = dict[str, float | tuple[float, ...]]


def write(folder: Path, data: str, gains: Gains, experiments: int = 8, split: str = "split.json") -> Path:
    """An experiment in which each strategy is above random by its gain at 5 labels: an area of half of it."""
    runs = []
    for e in range(experiments):
        runs += [make(e, INITIAL, 3, 0.5), make(e, RANDOM, 5, 0.6)]
        for name, gain in gains.items():
            runs.append(make(e, name, 5, 0.6 + (gain if isinstance(gain, float) else gain[e])))
    plan = {"experiments": experiments, "strategies": [RANDOM, *gains], "sizes": [5], "initial_size": 3}
    Results({"data": data, "split": split, **plan}, runs).save(folder / "results.json")
    return folder


def decide(sets: list[Path], *heterogeneous: str) -> str:
    return describe_sets(read_sets(sets), heterogeneous)


def test_each_set_counts_alike_in_the_mean(tmp_path: Path) -> None:
    """a: +.02 and +.01 of area, so .015, whatever the number of experiments; what one set lacks has no
    mean."""
    first = write(tmp_path / "x", "nuclei", {"a": 0.04, "b": (0.02,) * 4 + (-0.02,) * 4, "only": 0.1})
    second = write(tmp_path / "y", "worms", {"a": 0.02, "b": (0.03, 0.01)}, experiments=2)
    a, b = means_over(read_sets([first, second / "results.json"]))
    assert (a.strategy, a.mean, a.interval) == ("a", pytest.approx(0.015), pytest.approx((0.015, 0.015)))
    assert (b.strategy, b.mean) == ("b", pytest.approx(0.005))
    assert b.interval is not None
    assert 0.005 - 0.0075 <= b.interval[0] < 0.005 < b.interval[1] <= 0.005 + 0.0075
    text = decide([first, second])
    assert row(text, "", "strategy")[-2:] == ["nuclei", "worms"]
    assert row(text, "", "a")[1:3] == ["+0.0150", "[+0.0150, +0.0150]"]
    nuclei, worms = row(text, "", "a")[3:]
    assert (nuclei.split()[0], nuclei.split()[-1]) == ("+0.0200", "0.0234")
    assert (worms.split()[0], worms.split()[-1]) == ("+0.0100", "1.0000")
    assert row(text, "", "only")[1:3] == ["", ""]
    assert row(text, "", "only")[-1] == "–"
    assert "without a mean: only." in text
    assert "--heterogeneous" in text


NOISY = (0.1,) * 5 + (-0.05,) * 3  # above random in the mean, and p = .22


@pytest.mark.parametrize(
    ("differs", "alike", "decision", "said"),
    [
        (
            {"a": 0.04, "b": 0.02},
            {"a": 0.0, "b": 0.0},
            "**a** becomes the default",
            "best mean area, +0.0100",
        ),
        (
            {"a": 0.04, "b": 0.02},
            {"a": -0.01, "b": 0.0},
            "**b** becomes",
            "- a (+0.0075): below random on worms",
        ),
        (
            {"a": NOISY, "b": 0.02},
            {"a": 0.0, "b": 0.0},
            "**b** becomes",
            "not confirmed above random on nuclei",
        ),
        ({"a": NOISY, "b": 0.0}, {"a": 0.1, "b": 0.1}, "**No strategy fulfils the rule**", "- b (+0.0250)"),
        (
            {"random_foreground": 0.04, "b": 0.02},
            {"random_foreground": 0.0, "b": 0.0},
            "**b** becomes the default",
            "- random_foreground (+0.0100): it only serves as a baseline.",
        ),
        (
            {"a": 0.04},
            {"a": (-0.02,) * 4 + (0.01,) * 4},
            "**a** becomes the default",
            "It is below random on worms (-0.0025",
        ),
    ],
)
def test_the_rule_decides(tmp_path: Path, differs: Gains, alike: Gains, decision: str, said: str) -> None:
    """Above random for sure where images differ, below it for sure nowhere, then the best mean."""
    sets = [write(tmp_path / "x", "nuclei", differs), write(tmp_path / "y", "worms", alike)]
    text = decide(sets, "nuclei")
    assert decision in text
    assert said in text


def test_missing_runs_make_a_decision_provisional(tmp_path: Path) -> None:
    write(tmp_path, "nuclei", {"a": 0.04})
    whole = Results.load(tmp_path / "results.json")
    Results(whole.protocol, [run for run in whole.runs if run.key != (7, "a", 0, 5)]).save(
        tmp_path / "results.json"
    )
    text = decide([tmp_path], "nuclei")
    assert "nuclei: **Incomplete: 1 " in text
    assert "Provisional" in text
    assert "**a** becomes the default" in text


def test_sets_of_the_same_data_are_told_apart(tmp_path: Path) -> None:
    """By their split, else by their folder; the name of the data still means both."""
    a, b = (write(tmp_path / n, "nuclei", {"s": 0.1}, split=f"{n}.json") for n in ("a", "b"))
    c = write(tmp_path / "c", "nuclei", {"s": 0.1}, split="a.json")
    assert [each.name for each in read_sets([a, b])] == ["nuclei (a.json)", "nuclei (b.json)"]
    assert [each.name for each in read_sets([a, b, c])] == ["a", "b", "c"]
    assert "**s** becomes the default" in decide([a, b], "nuclei")


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    """What was found, and what to do."""
    good, alone = write(tmp_path / "a", "nuclei", {"s": 0.1}), write(tmp_path / "b", "worms", {})
    for paths, names, message in (
        ([good, good / "results.json"], (), "is named twice; name each experiment once"),
        ([good, alone], (), r"b/results.json has no strategy with a finished curve beside one of 'random'"),
        ([good, tmp_path / "none"], (), "no results at .*none; run the experiment first"),
        ([good], ("worms",), "No set is named 'worms'; the sets are: nuclei"),
    ):
        with pytest.raises(ResultsError, match=message):
            decide(paths, *names)
    shown = CliRunner().invoke(app, ["compare", str(good), "--heterogeneous", "nuclei"])
    assert "**s** becomes the default" in shown.stdout
    assert CliRunner().invoke(app, ["compare", str(tmp_path / "none")]).exit_code != 0
