"""The forecast of a round, and the advice that follows."""

from __future__ import annotations

import re
from typing import Any

import pytest

from backend.project.forecast import Forecast, Verdict, advise, forecast, recent_rise
from backend.store.round_record import Place, RoundRecord
from model.reason import Measure

RISING = Forecast(0.52, 0.66, 2, ((1, 0.6), (2, 0.66)))
FLAT = Forecast(0.66, 0.665, 2, ((1, 0.662), (2, 0.665)))


def record(**changes: Any) -> RoundRecord:
    places = {task: Place(expected_dice=dice) for task, dice in ((4, 0.6), (7, 0.66), (2, 0.67))}
    known = {"order": [4, 7, 2, 9], "batch": [4, 7], "queries": places, "notes": {"worst_before": 0.52}}
    return RoundRecord("v1.r1", "", "v1", **known | changes)


def test_the_forecast_is_that_of_the_batch_and_of_each_further_label() -> None:
    found = forecast(record())
    assert found == Forecast(0.52, 0.66, 2, ((4, 0.6), (7, 0.66), (2, 0.67)))
    assert found.gain == pytest.approx(0.14)


def test_the_best_so_far_is_told_which_a_further_label_cannot_lower() -> None:
    """A mean over the labelled images falls with each label that is unlike an image; a network does not."""
    falling = {task: Place(expected_dice=dice) for task, dice in ((4, 0.73), (7, 0.6), (2, 0.5))}
    found = forecast(record(queries=falling, notes={"worst_before": 0.7}))
    assert found == Forecast(0.7, 0.73, 2, ((4, 0.73), (7, 0.73), (2, 0.73)))


def test_the_forecast_speaks_of_what_the_order_raises() -> None:
    """The mean, where the round's strategy raises that."""
    found = forecast(record(notes={"mean_before": 0.52}))
    assert found == Forecast(0.52, 0.66, 2, ((4, 0.6), (7, 0.66), (2, 0.67)), Measure.MEAN)
    reasons = " ".join(advise(found, [], []).reasons)
    assert re.search(r"mean expected dice .*0\.52 to 0\.66", reasons)


@pytest.mark.parametrize(
    "changes", [{"cold_start": True}, {"notes": {}}, {"queries": {}}, {"order": []}, {"batch": []}]
)
def test_rounds_that_forecast_nothing(changes: dict[str, Any]) -> None:
    assert forecast(record(**changes)) is None


@pytest.mark.parametrize(
    ("measured", "rise"),
    [
        ([], None),
        ([(3, 0.5), (8, 0.6)], None),
        ([(3, 0.5), (13, 0.6)], 0.1),
        ([(3, 0.5), (5, 0.62), (14, 0.6), (15, 0.61)], -0.01),
    ],
)
def test_the_rise_is_over_the_last_ten_labels(measured: list[tuple[int, float]], rise: float | None) -> None:
    assert recent_rise(measured) == (None if rise is None else pytest.approx(rise))


@pytest.mark.parametrize(
    ("expected", "measured", "verdict"),
    [
        (None, [], Verdict.EARLY),
        (None, [(3, 0.5)], Verdict.EARLY),
        (RISING, [], Verdict.LABEL),
        (RISING, [(3, 0.5), (15, 0.7)], Verdict.LABEL),
        (RISING, [(3, 0.7), (15, 0.7)], Verdict.LOOK),
        (FLAT, [(3, 0.5), (15, 0.7)], Verdict.LOOK),
        (FLAT, [(3, 0.5)], Verdict.LOOK),
        (FLAT, [(3, 0.7), (15, 0.705)], Verdict.ENOUGH),
        (FLAT, [(3, 0.88), (15, 0.73)], Verdict.LOOK),
        (None, [(3, 0.88), (15, 0.73)], Verdict.LOOK),
        (None, [(3, 0.7), (15, 0.705)], Verdict.ENOUGH),
    ],
)
def test_the_advice_weighs_forecast_and_learning_curve(
    expected: Forecast | None, measured: list[tuple[int, float]], verdict: Verdict
) -> None:
    assert advise(expected, measured, []).verdict is verdict


def test_the_reasons_name_the_figures() -> None:
    reasons = " ".join(advise(RISING, [(3, 0.5), (15, 0.7)], [0.97] * 10).reasons)
    for part in ("0.52 to 0.66 (+0.140)", "held-out dice by +0.200", "median dice 0.97"):
        assert part in reasons
