"""Differences to random choice, by hand."""

import pytest

from model.experiment.evaluation.comparison import compare_areas, compare_sizes, win_rates
from model.experiment.evaluation.cost import cost, noise
from model.experiment.evaluation.curves import table
from tests.model.experiment.small_runs import make, small


def test_an_unfinished_curve_is_left_out_of_its_pair() -> None:
    """Only experiments in which both arms are finished are compared, and n says how many."""
    runs = [r for r in small() if r.key != (1, "s", 0, 9)]
    (area,) = compare_areas(runs)
    assert (area.n, list(area.differences)) == (1, [0])
    assert (area.interval, area.p, area.p_holm) == (None, None, None)


def test_paired_differences_by_hand() -> None:
    """Difference at size 5: 0.7 - 0.62 and 0.6 - 0.56; at 9 both arms hold the whole pool."""
    five, nine = compare_sizes(small())
    assert list(five.differences.values()) == [pytest.approx(0.08), pytest.approx(0.04)]
    assert five.mean == pytest.approx(0.06)
    assert five.interval == (pytest.approx(0.04), pytest.approx(0.08))
    assert (five.p, five.p_holm) == (0.5, 0.5)
    assert (nine.size, nine.same_sets, nine.mean, nine.p, nine.interval) == (9, True, 0.0, None, None)
    (area,) = compare_areas(small())
    assert area.mean == pytest.approx(0.06 * 3 / 6)


def test_the_whole_pool_does_not_enter_the_correction() -> None:
    """Two strategies at one real size are corrected for two tests, not four."""
    extra = [make(e, "t", 5, 0.9) for e in range(2)] + [make(e, "t", 9, 0.8, chosen="pool") for e in range(2)]
    compared = compare_sizes(small() + extra)
    assert [c.p_holm for c in compared] == [1.0, None, 1.0, None]


def test_nothing_is_compared_without_random() -> None:
    """Without the baseline there are scores and no comparison."""
    runs = [r for r in small() if r.strategy != "random"]
    assert compare_areas(runs) == compare_sizes(runs) == []
    assert win_rates(runs, ["strategy"]).empty
    assert len(table(runs)) == 3


def test_no_runs_give_no_numbers() -> None:
    """Empty results are empty tables, not errors."""
    assert compare_areas([]) == compare_sizes([]) == []
    assert table([]).empty
    assert cost([]).empty
    assert noise([]) == []


def test_win_rates_by_hand() -> None:
    """s is above random's mean in both experiments and above all draws but the one of 0.62 in the second."""
    by_size, overall = win_rates(small(), ["strategy", "size"]), win_rates(small(), ["strategy"])
    assert list(by_size.index) == [("s", 5)]
    assert list(overall.index) == ["s"]
    for rates in (by_size, overall):
        assert rates.to_dict("records") == [{"pairs": 2, "wins": 1.0, "draws": 4, "draws_beaten": 0.75}]


def test_a_tie_is_not_a_win() -> None:
    """The same score as random counts as not above it."""
    runs = [make(0, "s", 5, 0.5), make(0, "random", 5, 0.5)]
    rates = win_rates(runs, ["strategy"])
    assert (rates.wins["s"], rates.draws_beaten["s"]) == (0.0, 0.0)


def test_a_tie_in_the_mean_is_not_a_win_by_rounding() -> None:
    """The mean of 0.1, 0.2 and 0.3 is not 0.2 in every order of adding."""
    draws = [make(0, "random", 5, dice, draw) for draw, dice in enumerate((0.1, 0.2, 0.3, 0.7, 0.1, 0.4))]
    runs = [*draws, make(0, "s", 5, 0.3)]
    for given in (runs, runs[::-1]):
        assert win_rates(given, ["strategy"]).wins["s"] == 0.0
        assert compare_sizes(given)[0].differences == {0: 0.0}


def test_numbers_do_not_depend_on_the_order_of_runs() -> None:
    """Runs may finish in any order."""
    runs = small()
    assert table(runs[::-1]).equals(table(runs))
    assert compare_sizes(runs[::-1]) == compare_sizes(runs)
    assert compare_areas(runs[::-1]) == compare_areas(runs)
