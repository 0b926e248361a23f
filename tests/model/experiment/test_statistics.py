"""Numbers of the experiment against values worked out by hand or by scipy."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from model.errors import ResultsError
from model.experiment import statistics
from model.experiment.results import INITIAL, WHOLE, Run

SMALL = st.floats(-1, 1).map(lambda x: round(x, 6))


def make(
    experiment: int, strategy: str, size: int, dice: float | Sequence[float], draw: int = 0, chosen: str | None = None, query: float = 0.0
) -> Run:
    """Build a run whose images are named after the arm, so that sets differ between arms unless `chosen` is given."""
    scores = (dice,) if isinstance(dice, float) else tuple(dice)
    names = tuple(f"{chosen or f'{strategy}{draw}'}-{i:03}" for i in range(size))
    added = () if strategy == INITIAL else names[-1:]
    return Run(experiment, strategy, draw, size, names, added, scores, tuple(d / 2 for d in scores), 0, 10.0, query)


def small() -> list[Run]:
    """Two experiments, sizes 3, 5 and 9 (the whole pool), two draws of random, one strategy."""
    runs = []
    for e, (initial, five, draws, nine) in enumerate([(0.5, 0.7, (0.6, 0.64), 0.8), (0.4, 0.6, (0.5, 0.62), 0.8)]):
        runs += [make(e, INITIAL, 3, initial), make(e, "s", 5, five, query=2.0), make(e, "s", 9, nine, chosen="pool", query=4.0)]
        for d, score in enumerate(draws):
            runs += [make(e, "random", 5, score, d), make(e, "random", 9, nine, d, chosen="pool")]
    return runs


def test_table_averages_draws_before_experiments() -> None:
    """The spread of random is over experiments, not over its draws."""
    rows = {(r.strategy, r.size): r for r in statistics.table(small())}
    row = rows["random", 5]
    assert (row.n, row.low, row.high) == (2, pytest.approx(0.56), pytest.approx(0.62))
    assert row.mean == pytest.approx(0.59)
    assert row.sd == pytest.approx(0.06 / math.sqrt(2))
    assert rows["s", 3].mean == rows["random", 3].mean == pytest.approx(0.45)
    assert next(r.strategy for r in statistics.table(small())) == "random"


def test_table_of_one_experiment_has_no_spread() -> None:
    """One experiment gives a mean, and no standard deviation."""
    rows = statistics.table([r for r in small() if r.experiment == 0])
    assert all(row.n == 1 and row.sd is None for row in rows)


def test_worst_dice_is_measured_alike() -> None:
    """The same table is given for the worst fifth of the test images."""
    assert statistics.scores(small(), "worst_dice")["s"][5][0] == pytest.approx(0.35)


def test_curve_area_by_hand() -> None:
    """Trapezoid over uneven sizes: (2 * 0.6 + 4 * 0.75) / 6."""
    assert statistics.curve_area([3, 5, 9], [0.5, 0.7, 0.8]) == pytest.approx((2 * 0.6 + 4 * 0.75) / 6)


@given(st.lists(st.integers(1, 200), min_size=2, max_size=8, unique=True), st.floats(0, 1))
def test_a_constant_curve_has_its_height_as_area(sizes: list[int], height: float) -> None:
    """The area reads as a mean dice."""
    assert statistics.curve_area(sorted(sizes), [height] * len(sizes)) == pytest.approx(height)


@given(st.lists(st.tuples(st.integers(1, 200), st.floats(0, 1)), min_size=2, max_size=8, unique_by=lambda t: t[0]))
def test_an_area_lies_between_lowest_and_highest_score(curve: list[tuple[int, float]]) -> None:
    """No area lies outside the scores it averages."""
    sizes, dice = zip(*sorted(curve), strict=True)
    assert min(dice) - 1e-12 <= statistics.curve_area(sizes, dice) <= max(dice) + 1e-12


@pytest.mark.parametrize(("sizes", "dice"), [([3], [0.5]), ([5, 3], [0.5, 0.6]), ([3, 5], [0.5, math.nan]), ([3, 5], [0.5])])
def test_a_spoilt_curve_is_an_error(sizes: list[int], dice: list[float]) -> None:
    """One size, falling sizes, a score that is no number: nothing of it gives an area silently."""
    with pytest.raises(ResultsError):
        statistics.curve_area(sizes, dice)


def test_areas_average_the_draws_of_random() -> None:
    """The area of random is the mean of its draws' areas within the experiment."""
    by_strategy = statistics.areas(small())
    assert by_strategy["s"][0] == pytest.approx((2 * 0.6 + 4 * 0.75) / 6)
    assert by_strategy["random"][0] == pytest.approx((2 * 0.56 + 4 * 0.71) / 6)
    assert len(statistics.arm_areas(small())) == 6


def test_areas_end_at_the_last_common_size() -> None:
    """A size that one strategy never reached is left out of every area."""
    runs = [r for r in small() if not (r.strategy == "random" and r.size == 9)]
    assert statistics.common_sizes(runs) == (3, 5)
    assert statistics.areas(runs)["s"][1] == pytest.approx(0.5)


def test_an_unfinished_curve_is_left_out_of_its_pair() -> None:
    """Only experiments in which both arms are finished are compared, and n says how many."""
    runs = [r for r in small() if r.key != (1, "s", 0, 9)]
    (area,) = statistics.compare_areas(runs)
    assert (area.n, list(area.differences)) == (1, [0])
    assert (area.interval, area.p, area.p_holm, area.smallest_p) == (None, None, None, None)


def test_paired_differences_by_hand() -> None:
    """Difference at size 5: 0.7 - 0.62 and 0.6 - 0.56; at 9 both arms hold the whole pool."""
    five, nine = statistics.compare_sizes(small())
    assert list(five.differences.values()) == [pytest.approx(0.08), pytest.approx(0.04)]
    assert five.mean == pytest.approx(0.06)
    assert five.interval == (pytest.approx(0.04), pytest.approx(0.08))
    assert (five.p, five.p_holm, five.smallest_p) == (0.5, 0.5, 0.5)
    assert (nine.size, nine.same_sets, nine.mean, nine.p, nine.interval) == (9, True, 0.0, None, None)
    (area,) = statistics.compare_areas(small())
    assert area.mean == pytest.approx(0.06 * 3 / 6)


def test_the_whole_pool_does_not_enter_the_correction() -> None:
    """Two strategies at one real size are corrected for two tests, not four."""
    extra = [make(e, "t", 5, 0.9) for e in range(2)] + [make(e, "t", 9, 0.8, chosen="pool") for e in range(2)]
    compared = statistics.compare_sizes(small() + extra)
    assert [c.p_holm for c in compared] == [1.0, None, 1.0, None]


def test_nothing_is_compared_without_random() -> None:
    """Without the baseline there are scores and no comparison."""
    runs = [r for r in small() if r.strategy != "random"]
    assert statistics.compare_areas(runs) == statistics.compare_sizes(runs) == statistics.win_rates(runs) == []
    assert len(statistics.table(runs)) == 3


def test_no_runs_give_no_numbers() -> None:
    """Empty results are empty tables, not errors."""
    assert statistics.table([]) == statistics.compare_areas([]) == statistics.compare_sizes([]) == statistics.cost([]) == []
    assert statistics.noise([]) is None


def test_a_shared_run_of_the_whole_pool_ends_every_curve() -> None:
    """Where the whole pool is trained once, all arms of the experiment have its score."""
    runs = [r for r in small() if r.size < 9] + [make(e, WHOLE, 9, 0.8, chosen="pool") for e in range(2)]
    assert statistics.areas(runs) == statistics.areas(small())


@pytest.mark.parametrize(
    ("values", "p"),
    [([0.1, 0.2, 0.3], 0.25), ([0.1] * 5, 0.0625), ([0.0, 0.0], 1.0), ([1.0, -1.0], 1.0), ([3.0, -1.0, 2.0], 0.5), ([-0.1] * 4, 0.125)],
)
def test_sign_flip_by_hand(values: list[float], p: float) -> None:
    """Of the 2^n sign patterns, those at least as far from zero are counted on both sides."""
    assert statistics.sign_flip_p(values) == pytest.approx(p)


@given(st.lists(SMALL, min_size=2, max_size=8))
def test_sign_flip_equals_scipy(values: list[float]) -> None:
    """The exact p is that of scipy's paired permutation test."""
    found = statistics.sign_flip_p(values)
    # scipy doubles the smaller side, which for this symmetric distribution equals counting both sides, up to 1
    expected = scipy.stats.permutation_test((np.array(values),), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert found == pytest.approx(expected)


@given(st.lists(SMALL, min_size=2, max_size=8))
def test_sign_flip_ignores_sign_and_order(values: list[float]) -> None:
    """Swapping the arms or shuffling the experiments changes nothing, and no p is below the smallest possible."""
    p = statistics.sign_flip_p(values)
    least = statistics.smallest_p(len(values))
    assert p is not None
    assert least is not None
    assert p == statistics.sign_flip_p([-v for v in values]) == statistics.sign_flip_p(values[::-1])
    assert least <= p <= 1.0


def test_sign_flip_of_many_experiments_is_sampled_near_the_exact_value() -> None:
    """Above twelve experiments a seeded sample comes close to the normal approximation of the exact p."""
    values = np.random.default_rng(1).normal(0.5, 1.0, 16)
    p = statistics.sign_flip_p(values)
    z = abs(values.sum()) / math.sqrt((values**2).sum())
    assert p == statistics.sign_flip_p(values)
    assert p == pytest.approx(2 * scipy.stats.norm.sf(z), abs=0.02)
    assert statistics.sign_flip_p([1.0] * 30) == statistics.smallest_p(30) == 1e-5


def test_smallest_p_of_five_experiments_is_above_five_percent() -> None:
    """The paper's five experiments cannot reach p < 0.05."""
    assert statistics.smallest_p(5) == 0.0625
    assert statistics.smallest_p(1) is None


def test_holm_of_the_textbook_example() -> None:
    """0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02."""
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert statistics.holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(p: list[float]) -> None:
    """No corrected p is below its raw one or above Bonferroni's, and ranks stay."""
    corrected = statistics.holm(p)
    assert np.all(corrected >= np.array(p))
    assert np.all(corrected <= np.minimum(np.array(p) * len(p), 1.0) + 1e-12)
    assert np.all(np.diff(corrected[np.argsort(p, kind="stable")]) >= 0)


def test_bootstrap_agrees_with_scipy() -> None:
    """The percentile interval of the mean is scipy's, up to the luck of resampling."""
    values = np.random.default_rng(2).normal(0.01, 0.02, 10)
    found = statistics.bootstrap_interval(values)
    expected = scipy.stats.bootstrap((values,), np.mean, method="percentile", n_resamples=10_000, random_state=1).confidence_interval
    assert found == pytest.approx((expected.low, expected.high), abs=0.001)
    assert found == statistics.bootstrap_interval(values)


@given(st.lists(SMALL, min_size=2, max_size=6))
def test_the_interval_stays_within_the_values(values: list[float]) -> None:
    """A bootstrap of experiments never leaves their range, which is why few of them give so little."""
    interval = statistics.bootstrap_interval(values, draws=200)
    assert interval is not None
    assert min(values) - 1e-12 <= interval[0] <= interval[1] <= max(values) + 1e-12


def test_one_experiment_has_neither_interval_nor_p() -> None:
    """From one experiment nothing can be inferred."""
    assert statistics.bootstrap_interval([0.1]) is None
    assert statistics.sign_flip_p([0.1]) is None


def test_no_number_passes_silently() -> None:
    """A value that is no number is an error in every function."""
    for function in (statistics.bootstrap_interval, statistics.sign_flip_p, statistics.holm):
        with pytest.raises(ResultsError, match="finite"):
            function([0.1, math.nan])


def test_win_rates_by_hand() -> None:
    """s is above random's mean in both experiments and above all draws but the one of 0.62 in the second."""
    five, overall = statistics.win_rates(small())
    assert (five.size, five.pairs, five.wins, five.draws, five.draws_beaten) == (5, 2, 1.0, 4, 0.75)
    assert (overall.size, overall.pairs, overall.draws_beaten) == (None, 2, 0.75)


def test_a_tie_is_not_a_win() -> None:
    """The same score as random counts as not above it."""
    runs = [make(0, "s", 5, 0.5), make(0, "random", 5, 0.5)]
    assert [(r.wins, r.draws_beaten) for r in statistics.win_rates(runs)] == [(0.0, 0.0), (0.0, 0.0)]


def test_cost_by_hand() -> None:
    """Choosing is counted per step, training per set, and the shared initial sets have their own row."""
    initial, random, s = statistics.cost(small())
    assert (initial.strategy, initial.runs, initial.steps, initial.query_seconds_per_step) == (INITIAL, 2, 0, None)
    assert (random.runs, random.train_seconds) == (8, 80.0)
    assert (s.steps, s.query_seconds, s.query_seconds_per_step) == (4, 12.0, 3.0)


def test_noise_by_hand() -> None:
    """Pooled variance of two sets: (0.02 + 0.08) / 2 with one degree of freedom each."""
    found = statistics.noise([make(0, "s", 5, (0.4, 0.6)), make(1, "s", 5, (0.3, 0.7), chosen="other"), make(0, "s", 7, 0.5)])
    assert found is not None
    assert (found.sets, found.repeats) == (2, 2.0)
    assert found.sd == pytest.approx(math.sqrt(0.05))
    assert found.standard_error == pytest.approx(math.sqrt(0.05 / 2))


def test_noise_counts_a_set_kept_for_several_arms_once() -> None:
    """The whole pool, trained once and kept for every arm, is one set."""
    found = statistics.noise([make(0, s, 5, (0.4, 0.6), chosen="pool") for s in ("s", "t", "random")])
    assert found is not None
    assert found.sets == 1


def test_noise_is_unknown_without_repeats() -> None:
    """Single trainings tell nothing about their spread."""
    assert statistics.noise(small()) is None


def test_numbers_do_not_depend_on_the_order_of_runs() -> None:
    """Runs may finish in any order."""
    runs = small()
    assert statistics.table(runs[::-1]) == statistics.table(runs)
    assert statistics.compare_sizes(runs[::-1]) == statistics.compare_sizes(runs)
    assert statistics.compare_areas(runs[::-1]) == statistics.compare_areas(runs)
