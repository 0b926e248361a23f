"""The labels that random needs for a strategy's dice, worked out by hand, and how they are told."""

import math

import pytest

from model.experiment.evaluation.reading import describe_saved, saved_text
from model.experiment.evaluation.report import report
from model.experiment.evaluation.saved_labels import SavedLabels, saved_labels
from model.experiment.record.results import Results
from model.experiment.record.run import INITIAL, RANDOM, Run
from tests.model.experiment.small_runs import make, small


def curves(random: tuple[float, ...], five: float, experiments: int = 1) -> list[Run]:
    """Random at 3, 5 and 9 labels, and a strategy at 5."""
    runs = []
    for e in range(experiments):
        runs += [make(e, INITIAL, 3, random[0]), make(e, "s", 5, five)]
        runs += [make(e, RANDOM, size, dice) for size, dice in zip((5, 9), random[1:], strict=True)]
    return runs


def test_labels_are_read_from_the_mean_curve_of_random_and_pairs_are_drawn_together() -> None:
    """s has .65 with 5; random has .59 there and .80 with 9, between which its dice rises with the logarithm
    of the number: .06 of .21.

    Each experiment alone gives .08 of .18 and .04 of .24. A strategy drawn with the random of another
    experiment would reach from 5 to 8. At 9 all hold the whole pool.
    """
    (found,) = saved_labels(small())
    assert (found.strategy, found.size, found.n, found.least, found.most) == ("s", 5, 2, 3, 9)
    assert found.difference == pytest.approx(0.06)
    assert found.needed == pytest.approx(5 * 1.8 ** (0.06 / 0.21))
    assert found.interval == pytest.approx((5 * 1.8 ** (0.04 / 0.24), 5 * 1.8 ** (0.08 / 0.18)))


@pytest.mark.parametrize(
    ("random", "five", "needed", "table", "sentence"),
    [
        ((0.5, 0.6, 0.8), 0.6, 5, "5.0", "it has the same dice as random choice"),
        ((0.5, 0.6, 0.8), 0.55, 15**0.5, "3.9", "0.050 less dice than random choice, which needs about 4"),
        ((0.5, 0.6, 0.8), 0.4, 3, "≤ 3", "which needs no more than 3 labels to get there"),
        ((0.5, 0.6, 0.8), 0.8, 9, "9.0", "which needs about 9 labels to get there"),
        ((0.5, 0.6, 0.8), 0.9, math.inf, "> 9", "0.300 more dice than random choice, which does not get"),
        ((0.5, 0.7, 0.6), 0.65, 5, "5.0", "the same dice"),  # rising: .5, .65, .65
        ((0.5, 0.7, 0.6), 0.66, math.inf, "> 9", "0.010 more dice than random choice, which does not get"),
        (
            (0.5, 0.7, 0.6),
            0.64,
            3 * (5 / 3) ** (14 / 15),
            "4.8",
            "0.010 less dice than random choice, which needs about 5",
        ),
        ((0.7, 0.5, 0.8), 0.6, 3, "≤ 3", "the same dice"),  # rising: .6, .6, .8
    ],
)
def test_a_curve_that_falls_is_made_rising_and_bounds_are_told(
    random: tuple[float, ...], five: float, needed: float, table: str, sentence: str
) -> None:
    """Of one experiment there is no interval."""
    (found,) = saved_labels(curves(random, five))
    assert found.needed == pytest.approx(needed)
    assert found.interval is None
    assert saved_text(found) == table
    assert sentence in describe_saved(found)


def test_an_interval_may_end_where_random_never_comes() -> None:
    """No number lies between nine labels and none; three may stand for fewer."""
    open_ended = SavedLabels("s", 5, 8, 0.1, 7.25, (3.0, math.inf), 3, 9)
    assert saved_text(open_ended).split(maxsplit=1) == ["7.2", "[≤ 3, > 9]"]
    assert describe_saved(open_ended) == (
        "the same 5 labels it has 0.100 more dice than random choice, which needs about 7 labels to get"
        " there (95 % interval: up to 3 to more than 9)"
    )
    never = SavedLabels("s", 5, 8, 0.1, math.inf, (math.inf, math.inf), 3, 9)
    assert saved_text(never).split(" [") == ["> 9", "> 9, > 9]"]
    assert "with 9 (" in describe_saved(never)


def test_only_experiments_with_a_whole_curve_of_random_count() -> None:
    """And a strategy without random is compared with nothing."""
    runs = [*curves((0.5, 0.6, 0.8), 0.7, 3), make(3, INITIAL, 3, 0.1), make(3, "s", 5, 0.1)]
    runs += [make(4, INITIAL, 3, 0.1), make(4, "s", 5, 0.1), make(4, RANDOM, 5, 0.9)]
    (found,) = saved_labels(runs)
    assert (found.n, found.needed, found.interval) == (
        3,
        pytest.approx(45**0.5),
        pytest.approx((45**0.5, 45**0.5)),
    )
    assert saved_labels([run for run in runs if run.strategy != RANDOM]) == []
    assert saved_labels([run for run in runs if run.strategy == INITIAL]) == []


def test_the_report_opens_with_what_each_strategy_saves_the_best_first() -> None:
    """A sentence each, then one table, before the picture."""
    runs = [*small(), *(make(e, "worse", 5, 0.5 - 0.1 * e, 0) for e in (0, 1))]
    runs += [make(e, "worse", 9, 0.8, chosen="pool") for e in (0, 1)]
    start = report(Results({}, runs)).split("![")[0]
    best, worse = (line for line in start.splitlines() if line.startswith("- **"))
    assert best.startswith("- **s** too few")
    assert "0.060 more dice" in best
    assert "interval: 6)" in best
    assert worse.startswith("- **worse** ")
    assert "0.140 less dice" in worse
    rows = [line.strip("| ").split(" | ") for line in start.splitlines() if line.startswith("| ")]
    assert rows[0] == [
        *("strategy", "area above random", "95 % interval", "p (Holm)", "above random in", "worst fifth"),
        "random needs, for 5",
    ]
    assert rows[2] == ["s", "+0.0300", "[+0.0200, +0.0400]", "1.0000", "2 of 2", "+0.0150", "5.9 [5.5, 6.5]"]
    assert rows[3][0] == "worse"
