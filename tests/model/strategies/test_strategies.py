"""Every strategy through the one interface."""

import dataclasses
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from model.errors import BudgetError, NoNetworkError, StrategyError, TooFewLabelsError
from model.network.inference import predict_probabilities
from model.reason import Kind, Reason
from model.similarity.round import Round
from model.strategies import get_strategy, strategy_names
from model.strategies.ensemble import (
    Ensemble,
    representation,
)
from model.strategies.task_dependent import TaskDependent
from model.strategies.uncertainty import mean_entropy

pytestmark = pytest.mark.usefixtures("brief_training")
OPTIONS = {
    name: {"similarity": "unet", "candidates": 3}
    for name in ("task_dependent", "trusted", "alike", "coverage")
}


def test_the_papers_strategies_and_rivals_are_there() -> None:
    assert {"task_dependent", "ensemble", "random", "uncertainty", "farthest_first"} <= set(strategy_names())


@pytest.fixture(scope="module")
def finished(trained_round: Round, tmp_path_factory: pytest.TempPathFactory) -> Round:
    """A round with the networks of all strategies; only to be read."""
    folder = shutil.copytree(trained_round.folder, tmp_path_factory.mktemp("finished") / "round")
    round_ = dataclasses.replace(trained_round, folder=folder)
    for name in strategy_names():
        get_strategy(name, **OPTIONS.get(name, {})).run_units(round_)
    return round_


@pytest.fixture
def finished_copy(finished: Round, tmp_path: Path) -> Round:
    """The same in a folder of the test's own, which it may change."""
    return dataclasses.replace(finished, folder=shutil.copytree(finished.folder, tmp_path / "finished"))


@pytest.fixture(scope="module")
def shuffled(trained_round: Round, tmp_path_factory: pytest.TempPathFactory) -> Round:
    """The same images and labels in another order, in a folder of their own, where nothing is trained yet."""
    return dataclasses.replace(
        trained_round,
        images=dict(reversed(list(trained_round.images.items()))),
        labels=dict(reversed(list(trained_round.labels.items()))),
        folder=tmp_path_factory.mktemp("shuffled"),
    )


@pytest.mark.parametrize("name", strategy_names())
def test_a_strategy_orders_all_unlabelled_images_with_reasons_the_batch_first(
    finished: Round, shuffled: Round, name: str
) -> None:
    """And the order of the images does not matter."""
    strategy = get_strategy(name, **OPTIONS.get(name, {}))
    ranking = strategy.rank(finished, 4)
    assert sorted(ranking.order) == list(finished.unlabelled)
    assert ranking.batch == ranking.order[:4]
    assert [query.rank for query in ranking.queries] == list(range(1, 11))
    assert all(query.reason for query in ranking.queries)
    assert strategy.rank(shuffled, 4).order == ranking.order


@pytest.mark.parametrize("name", strategy_names())
def test_a_budget_larger_than_the_pool_is_refused(small_round: Round, name: str) -> None:
    with pytest.raises(BudgetError, match="1 to 10"):
        get_strategy(name, **OPTIONS.get(name, {})).rank(small_round, 11)


def test_unknown_strategies_and_options_name_the_known_ones() -> None:
    with pytest.raises(StrategyError, match=r"oracle.*task_dependent"):
        get_strategy("oracle")
    with pytest.raises(StrategyError, match="candidates"):
        get_strategy("task_dependent", candidate=3)


def test_random_differs_by_seed_and_repeats_under_it(small_round: Round) -> None:
    orders = [
        get_strategy("random").rank(dataclasses.replace(small_round, seed=seed), 3).order
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]


def test_an_interrupted_round_trains_only_the_rows_that_are_missing(finished_copy: Round) -> None:
    strategy = TaskDependent("unet", candidates=3)
    whole = strategy.rank(finished_copy, 2)
    rows = sorted((finished_copy.folder / "rows").iterdir())
    rows[0].write_text("{half")
    trained: set[str] = set()
    again = dataclasses.replace(finished_copy, on_progress=lambda step, _d, _t: trained.add(step))
    assert strategy.rank(again, 2) == whole
    assert len({step for step in trained if step.endswith("alone")}) == 1


def test_the_similarity_has_the_trained_rows_and_a_diagonal_of_one(finished: Round) -> None:
    strategy = TaskDependent("unet", candidates=3)
    matrix = strategy.complete_rows(finished)
    np.testing.assert_array_equal(matrix.diagonal(), 1.0)
    units = strategy.units(finished)
    k, others = finished.ids.index(units[0]), ~np.isin(finished.ids, units)
    np.testing.assert_allclose(matrix[:, k][others], matrix[k][others])


def test_a_ranking_shows_what_it_was_decided_from(finished: Round) -> None:
    """The similarity of the images compared, which of them a network was trained on, and what a place is
    expected to bring."""
    strategy = TaskDependent("unet", candidates=3)
    ranking = strategy.rank(finished, 2)
    assert ranking.comparison is not None
    assert ranking.comparison.trained == strategy.units(finished)
    positions = [finished.ids.index(identity) for identity in ranking.comparison.ids]
    np.testing.assert_array_equal(
        ranking.comparison.similarity, strategy.complete_rows(finished)[np.ix_(positions, positions)]
    )
    first = ranking.queries[0]
    assert first.expected_dice is not None
    for before, query in pairwise(ranking.queries):
        assert isinstance(before.reason, Reason)
        assert isinstance(query.reason, Reason)
        assert query.reason.worst == (before.expected_dice, query.expected_dice)
    assert isinstance(first.reason, Reason)
    assert first.reason.worst == (ranking.notes["worst_before"], first.expected_dice)
    helpful = next(query for query in ranking.queries if query.helps)
    assert isinstance(helpful.reason, Reason)
    assert helpful.reason.image == helpful.helps[0]
    assert helpful.reason.raised
    assert helpful.reason.raised[0] < helpful.reason.raised[1]


@pytest.mark.parametrize(
    ("name", "count"), [("task_dependent", 3), ("alike", 3), ("trusted", 6), ("ensemble", 3)]
)
def test_a_ranking_does_without_networks_that_failed(finished_copy: Round, name: str, count: int) -> None:
    """The last network is still to be trained, the first cannot be."""
    trained = set[str]()
    strategy = get_strategy(name, **OPTIONS.get(name, {}))
    units = strategy.units(finished_copy)
    assert len(units) == count
    for unit in (units[0], units[-1]):
        remove(finished_copy.folder / strategy.artifact(unit))
    round_ = dataclasses.replace(
        finished_copy,
        failed={units[0]: "out of memory"},
        on_progress=lambda step, _done, _total: trained.add(step),
    )
    ranking = strategy.rank(round_, 2)
    assert sorted(ranking.order) == list(round_.unlabelled)
    assert [
        unit for unit in units if f"Training {unit}" in trained or f"Training on {unit} alone" in trained
    ] == [units[-1]]
    if name == "task_dependent":
        assert ranking.comparison is not None
        assert ranking.comparison.trained == units[1:]


def remove(path: Path) -> None:
    """The result of a unit of work: a file, or the folder of a network."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


@pytest.mark.parametrize("name", ["task_dependent", "alike", "trusted", "ensemble"])
def test_where_all_networks_failed_the_reason_is_said(small_round: Round, name: str) -> None:
    strategy = get_strategy(name, **OPTIONS.get(name, {}))
    round_ = dataclasses.replace(
        small_round, failed=dict.fromkeys(strategy.units(small_round), "out of memory")
    )
    with pytest.raises(NoNetworkError, match="out of memory"):
        strategy.rank(round_, 2)


def test_half_of_the_unlabelled_images_and_never_fewer_than_the_batch_are_candidates(
    finished: Round,
) -> None:
    ranking = get_strategy("ensemble").rank(finished, 8)
    assert len(ranking.batch) == 8


def test_the_more_uncertain_half_comes_first_and_the_search_is_the_papers_or_the_originals(
    finished: Round,
) -> None:
    exact, greedy = (
        get_strategy("ensemble", search=search).rank(finished, 2) for search in ("auto", "greedy")
    )
    assert (exact.notes["exhaustive"], greedy.notes["exhaustive"]) == (1.0, 0.0)
    assert exact.notes["represented"] >= greedy.notes["represented"] - 1e-9
    reasons = [query.reason for query in exact.queries if isinstance(query.reason, Reason)]
    assert [reason.kind for reason in reasons] == 2 * [Kind.REPRESENTATIVE] + 8 * [Kind.DISPUTED]
    uncertainty = [reason.value or 0.0 for reason in reasons]
    assert min(uncertainty[:5]) >= max(uncertainty[5:])


def test_uncertainty_begins_where_the_model_is_least_sure(finished: Round) -> None:
    ranking = get_strategy("uncertainty").rank(finished, 2)
    entropies = [
        mean_entropy(predict_probabilities(finished.model, finished.images[i])) for i in ranking.order
    ]
    assert entropies == sorted(entropies, reverse=True)


@pytest.mark.parametrize("kernel", ["cosine", "rbf"])
def test_with_labelled_images_in_the_cover_the_batch_adds_to_them(finished: Round, kernel: str) -> None:
    """More than the batch that does without; which is the default, as in the paper."""
    assert Ensemble() == Ensemble(labelled_represent=False, kernel="cosine")
    similarity = Ensemble(kernel=kernel).compare(finished.learner.features())
    np.testing.assert_allclose(similarity, similarity.T, atol=1e-6)
    np.testing.assert_allclose(similarity.diagonal(), 1.0, atol=1e-6)
    rankings = [Ensemble(labelled_represent=told, kernel=kernel).rank(finished, 3) for told in (True, False)]
    worth = [
        representation(
            similarity, [finished.ids.index(image) for image in (*finished.labelled, *ranking.batch)]
        )
        for ranking in rankings
    ]
    assert worth[0] >= worth[1] - 1e-6
    assert rankings[0].order != rankings[1].order


@pytest.mark.parametrize("name", strategy_names())
def test_without_labels_a_strategy_orders_all_images_or_says_to_label(
    trained_round: Round, name: str, tmp_path: Path
) -> None:
    strategy = get_strategy(name, **OPTIONS.get(name, {}))
    round_ = dataclasses.replace(trained_round, labels={}, folder=tmp_path)
    if strategy.needs_labels:
        with pytest.raises(TooFewLabelsError):
            strategy.rank(round_, 4)
    else:
        assert sorted(strategy.rank(round_, 4).order) == list(round_.ids)
