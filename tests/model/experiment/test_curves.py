"""Budget curves against values worked out by hand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.experiment.evaluation.curves import areas, common_sizes, scores, table
from model.experiment.record.run import WHOLE
from tests.model.experiment.small_runs import make, small


def test_table_averages_draws_before_experiments() -> None:
    """The spread of random is over experiments, not over its draws."""
    found = table(small())
    assert list(found.loc[("random", 5)]) == [2, pytest.approx(0.59), pytest.approx(0.06 / math.sqrt(2))]
    assert found["mean"]["s", 3] == found["mean"]["random", 3] == pytest.approx(0.45)
    assert found.index[0] == ("random", 3)


def test_table_of_one_experiment_has_no_spread() -> None:
    """One experiment gives a mean, and no standard deviation."""
    found = table([r for r in small() if r.experiment == 0])
    assert (found.n == 1).all()
    assert found.sd.isna().all()


def test_worst_dice_is_measured_alike() -> None:
    """The same table is given for the worst fifth of the test images."""
    assert scores(small(), "worst_dice")["s", 5, 0] == pytest.approx(0.35)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(1, 200), st.floats(0, 1)), min_size=2, max_size=8, unique_by=lambda t: t[0]
    )
)
def test_an_area_lies_between_lowest_and_highest_score(curve: list[tuple[int, float]]) -> None:
    """It reads as a mean dice: that of a constant curve is its height."""
    dice = [height for _, height in curve]
    (area,) = areas([make(0, "s", size, height) for size, height in curve])
    (flat,) = areas([make(0, "s", size, dice[0]) for size, _ in curve])
    assert min(dice) - 1e-12 <= area <= max(dice) + 1e-12
    assert flat == pytest.approx(dice[0])


def test_areas_average_the_draws_of_random() -> None:
    """Trapezoid over uneven sizes; that of random is the mean over its draws, within the experiment."""
    found = areas(small())
    assert found["s", 0] == pytest.approx((2 * 0.6 + 4 * 0.75) / 6)
    assert found["random", 0] == pytest.approx((2 * 0.56 + 4 * 0.71) / 6)
    assert len(found) == 4


def test_one_size_makes_no_area() -> None:
    assert areas([r for r in small() if r.size == 5]).empty


def test_areas_end_at_the_last_common_size() -> None:
    """A size that one strategy never reached is left out of every area."""
    runs = [r for r in small() if not (r.strategy == "random" and r.size == 9)]
    assert common_sizes(runs) == [3, 5]
    assert areas(runs)["s", 1] == pytest.approx(0.5)


def test_a_shared_run_of_the_whole_pool_ends_every_curve() -> None:
    """Where the whole pool is trained once, all arms of the experiment have its score."""
    runs = [r for r in small() if r.size < 9] + [make(e, WHOLE, 9, 0.8, chosen="pool") for e in range(2)]
    assert areas(runs).equals(areas(small()))
