"""Rigid cross-validation: every image is tested on once, and chosen from otherwise."""

from collections import Counter
from pathlib import Path

import pytest

from model.errors import BudgetError, PoolError, ProtocolError
from model.experiment.evaluation.report import report
from model.experiment.protocol import Protocol
from model.experiment.record.plan import planned_keys
from model.experiment.record.results import Results
from model.experiment.record.run import INITIAL, RANDOM, WHOLE
from model.experiment.runner import run_experiment
from model.experiment.split import make_folds
from tests.model.experiment.small_runs import make, protocol_of


def in_folds(data: Path, **changes: object) -> Protocol:
    settings: dict[str, object] = {"split": None, "folds": 3, "experiments": 7, "strategies": (RANDOM,)}
    return protocol_of(data, **settings | changes)


def test_each_image_is_tested_on_in_one_fold_and_chosen_from_in_all_others(data: Path) -> None:
    """Of 14 images the parts are of 5, 5 and 4; the experiments take them in turn."""
    protocol = in_folds(data)
    splits = protocol.splits()
    names = {f"{i:02}.png" for i in range(14)}
    assert Counter(name for split in splits for name in split.test) == Counter(names)
    assert all({*split.pool} == names - {*split.test} for split in splits)
    assert [len(split.test) for split in splits] == [5, 5, 4]
    assert [protocol.split_of(e) for e in range(5)] == [*splits, *splits[:2]]
    for e in range(7):
        assert {*protocol.initial_set(e)} <= {*protocol.split_of(e).pool}
    assert protocol.to_dict() == in_folds(data).to_dict()
    assert in_folds(data, seed=1).splits() != splits


def test_the_whole_pool_has_the_size_of_its_fold(data: Path) -> None:
    """And where that is the last size, no arm is trained on it again."""
    planned = planned_keys(in_folds(data, sizes=(3, 9)).to_dict())
    assert [key[3] for key in planned if key[1] == WHOLE] == [9, 9, 10, 9, 9, 10, 9]
    assert [key[0] for key in planned if key[1] == RANDOM and key[3] == 9] == [2, 2, 5, 5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": Path("split.json")}, "found both, expected one of them"),
        ({"folds": None}, "found neither, expected one of them"),
        ({"folds": 1}, "folds: found 1, expected from 2 to the number of experiments, 7"),
        ({"folds": 8}, "folds: found 8, expected from 2 to the number of experiments, 7"),
        ({"folds": 15, "experiments": 20}, "folds: found 15, expected at most 14, the number of images"),
        ({"sizes": (3, 10)}, "sizes: found 10, expected at most 9, the number of pool images of a fold of 3"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(data: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        in_folds(data, **changes).splits()


def test_images_of_a_fold_are_neither_trained_on_nor_chosen(data: Path, tmp_path: Path) -> None:
    """What was begun in folds goes on in the same ones alone, and the report tells of them."""
    protocol = in_folds(data, folds=2, experiments=2, sizes=(3,), random_draws=1)
    results = run_experiment(protocol, tmp_path)
    assert {run.strategy for run in results.runs} == {INITIAL, RANDOM, WHOLE}
    for run in results.runs:
        assert not {*run.chosen} & {*protocol.split_of(run.experiment).test}, run.key
    text = (tmp_path / "report.md").read_text()
    assert "cross-validation in 2 folds" in text
    assert ", 1 of them each" in text
    assert run_experiment(protocol, tmp_path).runs == results.runs
    for other, asked in (
        (in_folds(data, experiments=3, sizes=(3,)), 3),
        (protocol_of(data, sizes=(3,)), None),
    ):
        with pytest.raises(ProtocolError) as caught:
            run_experiment(other, tmp_path)
        assert caught.value.different["folds"] == (2, asked)


def test_whole_pools_of_two_sizes_are_told() -> None:
    runs = [make(e, INITIAL, 3, 0.5) for e in (0, 1)] + [make(e, WHOLE, 9 + e, 0.8) for e in (0, 1)]
    plan = {"folds": 2, "pool_sizes": [9, 10], "experiments": 3, "strategies": [RANDOM], "sizes": [5]}
    text = report(Results(plan, runs))
    assert "9 or 10 images: 0.800" in text
    assert ", 1 or 2 of them each" in text


def test_folds_do_not_depend_on_the_order_of_names() -> None:
    names = tuple("abcdefg")
    assert make_folds(names, 3, 5) == make_folds(names[::-1], 3, 5)


def test_folds_need_images_with_masks(tmp_path: Path) -> None:
    with pytest.raises(PoolError):
        in_folds(tmp_path).splits()
