"""Cost and training noise, by hand."""

import dataclasses
import math

import pytest

from model.experiment.evaluation.cost import cost, noise
from model.experiment.record.run import INITIAL, WHOLE
from tests.model.experiment.small_runs import make, small


def test_cost_by_hand() -> None:
    """Choosing is counted per step, training per set, and the shared initial sets have their own row."""
    spent = cost(small())
    assert list(spent.index) == [INITIAL, "random", "s"]
    assert (spent.runs[INITIAL], spent.steps[INITIAL]) == (2, 0)
    assert math.isnan(spent.query_seconds_per_step[INITIAL])
    assert (spent.runs["random"], spent.train_seconds["random"]) == (8, 80.0)
    assert list(spent.loc["s", ["steps", "query_seconds", "query_seconds_per_step"]]) == [4, 12.0, 3.0]


def test_noise_by_hand() -> None:
    """Pooled variance of two sets: (0.02 + 0.08) / 2 with one degree of freedom each.
    Other sizes stand apart, as they differ less; of those that were trained once nothing is known."""
    runs = [make(0, "s", 5, (0.4, 0.6)), make(1, "s", 5, (0.3, 0.7), chosen="other"), make(0, "s", 7, 0.5)]
    few, many = noise([*runs, make(0, "s", 9, (0.7, 0.7))])
    assert (few.size, few.sets, few.repeats) == (5, 2, 2.0)
    assert few.sd == pytest.approx(math.sqrt(0.05))
    assert few.standard_error == pytest.approx(math.sqrt(0.05 / 2))
    assert (many.size, many.sd) == (9, 0.0)
    (few,) = noise([*runs, make(2, "s", 5, 0.5, chosen="third")])  # once, and so many count of each
    assert few.standard_error == pytest.approx(math.sqrt(0.05))


def test_noise_counts_a_set_kept_for_several_arms_once() -> None:
    """The whole pool, trained once and kept for every arm, is one set."""
    (found,) = noise([make(0, s, 5, (0.4, 0.6), chosen="pool") for s in ("s", "t", "random")])
    assert found.sets == 1


def test_noise_shows_in_the_whole_pool_which_each_experiment_trains_again() -> None:
    """Other seeds, the same set."""
    (found,) = noise(
        [
            dataclasses.replace(make(e, WHOLE, 9, dice, chosen="pool"), seed=e)
            for e, dice in enumerate((0.4, 0.6))
        ]
    )
    assert (found.sets, found.repeats) == (1, 2.0)
    assert found.sd == found.standard_error == pytest.approx(math.sqrt(0.02))


def test_noise_is_unknown_without_repeats() -> None:
    """Single trainings tell nothing about their spread."""
    assert noise(small()) == []
