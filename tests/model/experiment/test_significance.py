"""Intervals and tests by hand, and against what they approximate."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.experiment.evaluation.significance import (
    MOST_PATTERNS,
    bootstrap_interval,
    holm,
    sign_flip_p,
    smallest_p,
)

SMALL = st.floats(-1, 1).map(lambda x: round(x, 6))


@pytest.mark.parametrize(
    ("values", "p"),
    [
        ([0.1, 0.2, 0.3], 0.25),
        ([0.1] * 5, 0.0625),
        ([0.0, 0.0], 1.0),
        ([1.0, -1.0], 1.0),
        ([0.1, 0.2, -0.3], 1.0),
        ([3.0, -1.0, 2.0], 0.5),
        ([-0.1] * 4, 0.125),
    ],
)
def test_sign_flip_by_hand(values: list[float], p: float) -> None:
    """Of the 2^n sign patterns, those at least as far from zero are counted on both sides."""
    assert sign_flip_p(values) == pytest.approx(p)


@given(st.lists(SMALL, min_size=2, max_size=8))
def test_sign_flip_equals_its_definition(values: list[float]) -> None:
    """The share of all sign patterns whose sum is as far from zero as found."""
    sums = np.array(list(itertools.product((1.0, -1.0), repeat=len(values)))) @ values
    assert sign_flip_p(values) == pytest.approx(np.mean(np.abs(sums) >= abs(sum(values)) - 1e-9))


@given(st.lists(SMALL, min_size=2, max_size=8))
def test_sign_flip_ignores_sign_and_order(values: list[float]) -> None:
    """Swapping the arms or shuffling the experiments changes nothing, and no p is below the smallest
    possible."""
    p = sign_flip_p(values)
    least = smallest_p(len(values))
    assert p is not None
    assert least is not None
    assert p == sign_flip_p([-v for v in values]) == sign_flip_p(values[::-1])
    assert least <= p <= 1.0


def test_sign_flip_of_many_experiments_is_sampled_near_the_exact_value() -> None:
    """Above sixteen experiments a seeded sample comes close to the normal approximation of the exact p."""
    values = np.random.default_rng(1).normal(0.5, 1.0, 17).tolist()
    p = sign_flip_p(values)
    z = abs(sum(values)) / math.sqrt(sum(v**2 for v in values))
    assert p == sign_flip_p(values)
    from scipy.stats import norm  # takes a second

    assert p == pytest.approx(2 * norm.sf(z), abs=0.02)
    assert sign_flip_p([1.0] * 30) == pytest.approx(smallest_p(30))
    assert smallest_p(30) == 2 / (MOST_PATTERNS + 1)


def test_smallest_p_of_five_experiments_is_above_five_percent() -> None:
    """The paper's five experiments cannot reach p < 0.05."""
    assert smallest_p(5) == 0.0625
    assert smallest_p(1) is None


def test_holm_of_the_textbook_example() -> None:
    """0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(p: list[float]) -> None:
    """No corrected p is below its raw one or above Bonferroni's, and ranks stay."""
    corrected = holm(p)
    assert np.all(corrected >= np.array(p))
    assert np.all(corrected <= np.minimum(np.array(p) * len(p), 1.0) + 1e-12)
    assert np.all(np.diff(corrected[np.argsort(p, kind="stable")]) >= 0)


def test_the_interval_is_the_percentile_bootstrap_of_the_mean() -> None:
    """The one that yesterday's reports hold, resampled by hand."""
    values = np.random.default_rng(2).normal(0.01, 0.02, 10)
    picked = np.random.default_rng(0).integers(0, 10, size=(10_000, 10))
    expected = np.quantile(values[picked].mean(axis=1), [0.025, 0.975])
    assert bootstrap_interval(values.tolist()) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("values", [[0.3, 0.3], [-0.1, 0.2, 0.4], [0.0] * 5])
def test_the_interval_stays_within_the_values(values: list[float]) -> None:
    """A bootstrap of experiments never leaves their range, which is why few of them give so little."""
    interval = bootstrap_interval(values)
    assert interval is not None
    assert min(values) - 1e-12 <= interval[0] <= interval[1] <= max(values) + 1e-12


def test_one_experiment_has_neither_interval_nor_p() -> None:
    """From one experiment nothing can be inferred."""
    assert bootstrap_interval([0.1]) is None
    assert sign_flip_p([0.1]) is None
