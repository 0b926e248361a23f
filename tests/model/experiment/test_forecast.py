"""How well forecasts predict what came, on steps whose ranks are plain."""

import dataclasses
import math
import re
from pathlib import Path

import pytest

from model.experiment.evaluation.forecast import describe_forecasts, draw_forecasts, forecasts
from model.experiment.evaluation.report import report
from model.experiment.record.results import Results
from model.experiment.record.run import INITIAL, Run
from model.experiment.runner import forecast_of
from model.reason import Measure
from model.strategies import Query, Ranking
from tests.model.experiment.small_runs import make
from tests.model.experiment.tables import row

GAINS = (*(0.2 - 0.02 * e for e in range(9)), 0.005)  # of which the last is none worth labelling for


def steps(n: int, before: str | None = "mean_before") -> list[Run]:
    """The dice rises from .5 to .6, .61, ... ; the forecast ranks the dice alike, the gains in reverse."""
    runs = []
    for e in range(n):
        value = 0.3 + 0.01 * e
        notes = {"value": value, "upper_bound": 1.0} | ({before: value - GAINS[e]} if before else {})
        runs += [make(e, INITIAL, 3, 0.5), make(e, "random", 5, 0.5)]
        runs.append(dataclasses.replace(make(e, "s", 5, 0.6 + 0.01 * e), notes=notes))
    return runs


def test_forecasts_are_ranked_with_what_came() -> None:
    """Against the size before, which for the first step is the initial set; the worst fifth has half the
    dice."""
    (found,) = forecasts(steps(10))
    assert (found.strategy, found.measure, len(found.table)) == ("s", Measure.MEAN, 10)
    first = found.table.iloc[0]
    assert (first.predicted, first.predicted_gain) == (pytest.approx(0.3), pytest.approx(0.2))
    assert (first["mean"], first.mean_gain) == (pytest.approx(0.6), pytest.approx(0.1))
    assert (first.worst, first.worst_gain) == (pytest.approx(0.3), pytest.approx(0.05))
    text = describe_forecasts([found])
    assert row(text, "", "s", "mean expected dice")[2:] == [
        "10",
        *["+1.00 (+1.00)"] * 2,
        *["-1.00 (-1.00)"] * 2,
    ]
    assert re.search(r"1 of 10 steps\b.*\+0\.190\b.*\+0\.140\b", text, re.DOTALL)


def test_a_later_step_is_compared_with_the_one_before() -> None:
    """Not with the initial set; and random, which forecasts nothing, is in no table."""
    runs = steps(10)
    for e in range(10):
        notes = {"value": 0.9, "worst_before": 0.8}
        runs.append(dataclasses.replace(make(e, "s", 9, 0.9), notes=notes))
    worst, mean = sorted(forecasts(runs), key=lambda each: each.measure is Measure.MEAN)
    assert worst.table.mean_gain.tolist() == pytest.approx([0.3 - 0.01 * e for e in range(10)])
    assert math.isnan(worst.correlation("predicted", "mean"))  # always the same forecast
    assert len(mean.table) == 10
    text = describe_forecasts([worst])
    assert row(text, "", "s", "worst expected dice")[2:] == ["10", *["unknown"] * 4]


def test_what_the_number_of_labels_alone_would_tell_counts_for_nothing_within_sizes() -> None:
    """A forecast that knows the number alone, in 10 experiments of two steps."""
    runs = []
    for e in range(10):
        runs.append(make(e, INITIAL, 3, 0.5))
        for size, forecast, dice in (
            (5, 0.6 - 1e-4 * e, 0.6 + 0.01 * e),
            (9, 0.8 - 1e-4 * e, 0.8 + 0.01 * e),
        ):
            notes = {"mean_before": 0.1, "forecast": forecast}
            runs.append(dataclasses.replace(make(e, "s", size, dice), notes=notes))
    (found,) = forecasts(runs)
    assert found.correlation("predicted", "mean") > 0.4
    assert found.within_sizes("predicted", "mean") == pytest.approx(-1)


def test_a_run_keeps_the_forecast_of_the_status_page() -> None:
    """The best so far of its batch alone, and no less than what is expected now; nothing where none is."""
    dice = (0.73, 0.6, 0.9)
    queries = tuple(Query(f"{i}", i + 1, i < 2, "", expected) for i, expected in enumerate(dice))
    assert forecast_of(Ranking(queries, {"mean_before": 0.7, "value": 0.6})) == {"forecast": 0.73}
    assert forecast_of(Ranking(queries, {"worst_before": 0.8})) == {"forecast": 0.8}
    partly = tuple(Query(f"{i}", i + 1, True, "", each) for i, each in enumerate((0.73, None)))
    assert forecast_of(Ranking(partly, {"mean_before": 0.7})) == {}, "of the whole batch nothing is known"
    assert (
        forecast_of(Ranking(tuple(Query(q.image, q.rank, True, "") for q in queries), {"value": 3.0})) == {}
    )
    runs = [
        dataclasses.replace(run, notes=run.notes | {"forecast": 0.2}) if run.notes else run
        for run in steps(10)
    ]
    assert set(forecasts(runs)[0].table.predicted) == {0.2}
    assert forecasts(runs)[0].table.predicted_gain.min() == 0


def test_yesterday_kept_the_dice_after_the_batch_alone() -> None:
    """It was that of the worst image; what was expected to be gained is unknown."""
    (found,) = forecasts(steps(10, before=None))
    text = describe_forecasts([found])
    assert row(text, "", "s", "worst expected dice")[2:] == [
        "10",
        *["+1.00 (+1.00)"] * 2,
        "unknown",
        "unknown",
    ]
    assert "of 10 steps" not in text


def test_few_steps_are_not_judged_and_not_drawn(tmp_path: Path) -> None:
    runs = steps(9)
    text = report(Results({}, runs))
    assert "(at least 10): s 9." in text
    assert "forecast.png" not in text
    draw_forecasts(forecasts(runs), tmp_path / "forecast.png")
    assert not list(tmp_path.iterdir())
    draw_forecasts(forecasts(steps(10)), tmp_path / "forecast.png")
    assert (tmp_path / "forecast.png").read_bytes().startswith(b"\x89PNG")
    assert "](forecast.png)" in report(Results({}, steps(10)))


def test_without_forecasts_there_is_nothing_to_say() -> None:
    """Figures of a strategy that expects no dice are no forecast; nor is a value that is no number."""
    runs = [make(e, INITIAL, 3, 0.5) for e in range(10)]
    runs += [
        dataclasses.replace(make(e, "ensemble", 5, 0.6), notes={"value": 3.0, "represented": 3.0})
        for e in range(10)
    ]
    runs += [
        dataclasses.replace(make(e, "t", 5, 0.6), notes={"value": math.inf, "worst_before": 0.1})
        for e in range(10)
    ]
    assert forecasts(runs) == []
    assert "## Forecast" not in report(Results({}, runs))
