"""Budget curves against values worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import ResultsError
from model.experiment.curves import areas, arm_areas, common_sizes, curve_area, scores, table
from model.experiment.results import WHOLE
from tests.model.experiment.small_runs import make, small


def test_table_averages_draws_before_experiments() -> None:
    """The spread of random is over experiments, not over its draws."""
    rows = {(r.strategy, r.size): r for r in table(small())}
    row = rows["random", 5]
    assert row.n == 2
    assert row.mean == pytest.approx(0.59)
    assert row.sd == pytest.approx(0.06 / math.sqrt(2))
    assert rows["s", 3].mean == rows["random", 3].mean == pytest.approx(0.45)
    assert next(r.strategy for r in table(small())) == "random"


def test_table_of_one_experiment_has_no_spread() -> None:
    """One experiment gives a mean, and no standard deviation."""
    rows = table([r for r in small() if r.experiment == 0])
    assert all(row.n == 1 and row.sd is None for row in rows)


def test_worst_dice_is_measured_alike() -> None:
    """The same table is given for the worst fifth of the test images."""
    assert scores(small(), "worst_dice")["s"][5][0] == pytest.approx(0.35)


def test_curve_area_by_hand() -> None:
    """Trapezoid over uneven sizes: (2 * 0.6 + 4 * 0.75) / 6."""
    assert curve_area([3, 5, 9], [0.5, 0.7, 0.8]) == pytest.approx((2 * 0.6 + 4 * 0.75) / 6)


@given(st.lists(st.integers(1, 200), min_size=2, max_size=8, unique=True), st.floats(0, 1))
def test_a_constant_curve_has_its_height_as_area(sizes: list[int], height: float) -> None:
    """The area reads as a mean dice."""
    assert curve_area(sorted(sizes), [height] * len(sizes)) == pytest.approx(height)


@given(
    st.lists(
        st.tuples(st.integers(1, 200), st.floats(0, 1)), min_size=2, max_size=8, unique_by=lambda t: t[0]
    )
)
def test_an_area_lies_between_lowest_and_highest_score(curve: list[tuple[int, float]]) -> None:
    """No area lies outside the scores it averages."""
    sizes, dice = zip(*sorted(curve), strict=True)
    assert min(dice) - 1e-12 <= curve_area(sizes, dice) <= max(dice) + 1e-12


@pytest.mark.parametrize(
    ("sizes", "dice"), [([3], [0.5]), ([5, 3], [0.5, 0.6]), ([3, 5], [0.5, math.nan]), ([3, 5], [0.5])]
)
def test_a_spoilt_curve_is_an_error(sizes: list[int], dice: list[float]) -> None:
    """One size, falling sizes, a score that is no number: nothing of it gives an area silently."""
    with pytest.raises(ResultsError):
        curve_area(sizes, dice)


def test_areas_average_the_draws_of_random() -> None:
    """The area of random is the mean of its draws' areas within the experiment."""
    by_strategy = areas(small())
    assert by_strategy["s"][0] == pytest.approx((2 * 0.6 + 4 * 0.75) / 6)
    assert by_strategy["random"][0] == pytest.approx((2 * 0.56 + 4 * 0.71) / 6)
    assert len(arm_areas(small())) == 6


def test_areas_end_at_the_last_common_size() -> None:
    """A size that one strategy never reached is left out of every area."""
    runs = [r for r in small() if not (r.strategy == "random" and r.size == 9)]
    assert common_sizes(runs) == (3, 5)
    assert areas(runs)["s"][1] == pytest.approx(0.5)


def test_a_shared_run_of_the_whole_pool_ends_every_curve() -> None:
    """Where the whole pool is trained once, all arms of the experiment have its score."""
    runs = [r for r in small() if r.size < 9] + [make(e, WHOLE, 9, 0.8, chosen="pool") for e in range(2)]
    assert areas(runs) == areas(small())
