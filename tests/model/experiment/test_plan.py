"""What of an experiment is still to be done."""

from model.experiment.record.plan import missing, planned_runs
from model.experiment.record.results import Results
from model.experiment.record.run import INITIAL, WHOLE
from tests.model.experiment.small_runs import PROTOCOL, make_ensemble


def test_missing_lists_the_units_still_to_do() -> None:
    """Planned units less done ones: 2 initial, 4 of random and 2 of the ensemble at first."""
    results = Results(PROTOCOL)
    left = missing(results)
    assert left is not None
    assert len(left) == 8
    results.add(make_ensemble(strategy=INITIAL, size=3))
    results.add(make_ensemble())
    after = missing(results)
    assert after is not None
    assert set(left) - set(after) == {(0, "initial", 0, 3), (0, "ensemble", 0, 5)}


def test_missing_lists_sets_with_too_few_trainings() -> None:
    """As many dice are planned as the protocol has repeats."""
    results = Results(
        {**PROTOCOL, "repeats": 2},
        [make_ensemble(), make_ensemble(experiment=1, dice=(0.8,), worst_dice=(0.5,))],
    )
    left = missing(results)
    assert left is not None
    assert make_ensemble(experiment=1).key in left
    assert make_ensemble().key not in left


def test_the_whole_pool_stands_in_for_every_arm() -> None:
    """The whole pool is one unit per experiment, not one per arm, as soon as its size is known."""
    for results in (
        Results(PROTOCOL, [make_ensemble(strategy=WHOLE)]),
        Results({**PROTOCOL, "pool_size": 5}, [make_ensemble(strategy=WHOLE)]),
    ):
        assert missing(results) == [(0, INITIAL, 0, 3), (1, INITIAL, 0, 3), (1, WHOLE, 0, 5)]


def test_a_whole_pool_beyond_the_plan_is_a_reference_only() -> None:
    """It is to be done, and does not draw out the curves that statistics are made of."""
    plan = {**PROTOCOL, "pool_size": 9}
    left = missing(Results(plan))
    assert left is not None
    assert (0, WHOLE, 0, 9) in left
    assert len(left) == 10
    whole, arm = make_ensemble(strategy=WHOLE, size=9), make_ensemble()
    assert planned_runs(Results(plan, [whole, arm])) == [arm]
    assert len(planned_runs(Results({**plan, "sizes": [3, 5, 9]}, [whole, arm]))) == 2


def test_missing_is_unknown_without_a_plan() -> None:
    """A protocol that does not tell the plan gives None, not an empty list."""
    assert missing(Results({"data": "axons"}, [make_ensemble()])) is None
