"""Every strategy through the one interface."""

import dataclasses
import shutil
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import BudgetError, StrategyError, TooFewLabelsError
from model.network.inference import predict_probabilities
from model.network.pseudo_labels import PseudoLabels
from model.reason import Kind, Reason
from model.selection import expected_dice, maximin
from model.similarity.bagging import draw_bag
from model.similarity.likeness import add_unknown, cosine_similarity, make_mutual, weigh_by_likeness
from model.similarity.round import Round
from model.strategies import get_strategy, strategy_names
from model.strategies.bagging_weighted import discount
from model.strategies.ensemble import (
    Ensemble,
    exhaustive_subset,
    greedy_subset,
    mean_kl_divergence,
    representation,
)
from model.strategies.farthest_first import farthest_first
from model.strategies.task_dependent import TaskDependent
from model.strategies.uncertainty import mean_entropy
from tests.model.conftest import Masks

OPTIONS = {
    name: {"similarity": "unet", "candidates": 3}
    for name in ("task_dependent", "trusted", "alike", "coverage")
}


def seen_as(round_: Round, masks: Masks) -> Round:
    """The round as if f_L had predicted these masks in these images."""
    changed = {**round_.pseudo_labels, **masks}
    PseudoLabels.write(
        round_.folder / "pseudo-labels.npz",
        round_.identity_with_images,
        round_.ids,
        [changed[i] for i in round_.ids],
    )
    return dataclasses.replace(round_)


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


# task_dependent


def test_candidates_are_drawn_from_the_unlabelled_images(small_round: Round) -> None:
    units = TaskDependent("unet", candidates=5).units(small_round)
    assert len(units) == 5
    assert set(units) <= set(small_round.unlabelled)


def test_candidates_may_be_drawn_from_all_images(small_round: Round) -> None:
    assert set(TaskDependent("unet", candidates=100, candidates_from_all=True).units(small_round)) <= set(
        small_round.ids
    )
    assert set(small_round.labelled) <= set(
        TaskDependent("unet", candidates=100, candidates_from_all=True).units(small_round)
    )


def test_true_masks_replace_the_pseudo_labels_of_labelled_images(small_round: Round) -> None:
    masks = TaskDependent(true_masks=True).masks(small_round)
    np.testing.assert_array_equal(masks["00.png"], small_round.labels["00.png"])
    np.testing.assert_array_equal(masks["05.png"], small_round.pseudo_labels["05.png"])
    assert dict(TaskDependent("unet").masks(small_round)).keys() == dict(masks).keys() == set(small_round.ids)
    np.testing.assert_array_equal(
        TaskDependent("unet").masks(small_round)["00.png"], small_round.pseudo_labels["00.png"]
    )


def test_candidates_and_the_random_batch_are_drawn_apart(small_round: Round) -> None:
    rounds = [dataclasses.replace(small_round, seed=seed) for seed in range(6)]
    for round_ in rounds:
        round_.__dict__["pseudo_labels"] = small_round.pseudo_labels
    inside = [
        set(get_strategy("random").rank(r, 3).batch) <= set(TaskDependent("unet", candidates=3).units(r))
        for r in rounds
    ]
    assert not all(inside)


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


def test_images_in_which_the_model_finds_nothing_are_neither_trained_on_nor_first(small_round: Round) -> None:
    blank = "05.png"
    round_ = seen_as(small_round, {blank: np.zeros((48, 48), np.uint8)})
    assert blank not in TaskDependent("unet", candidates=100).units(round_)
    ranking = TaskDependent("unet", candidates=1).rank(round_, 2)
    assert blank not in ranking.batch
    assert ranking.notes["blank_pseudo_labels"] == 1
    assert next(query.reason for query in ranking.queries if query.image == blank) == Reason(Kind.EMPTY)


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


def test_a_model_that_finds_nothing_anywhere_is_said(small_round: Round) -> None:
    round_ = seen_as(small_round, {identity: np.zeros((48, 48), np.uint8) for identity in small_round.ids})
    with pytest.raises(StrategyError, match="Label a few more images"):
        TaskDependent("unet").rank(round_, 2)


@pytest.mark.parametrize("value", [0, 1])
def test_a_labelled_image_in_which_the_model_finds_nothing_is_not_compared_either(
    small_round: Round, value: int
) -> None:
    """Its agreement with other networks is 0 or 1 whatever it looks like;
    only what it truly shows could tell more."""
    round_ = seen_as(small_round, {"01.png": np.full((48, 48), value, np.uint8)})
    strategy = TaskDependent("unet", candidates=1)
    ranking = strategy.rank(round_, 2)
    assert sorted(ranking.order) == list(round_.unlabelled)
    assert ranking.comparison is not None
    assert ranking.comparison.ids == tuple(i for i in round_.ids if i != "01.png")
    assert ranking.notes["blank_pseudo_labels"] == 1
    others = [ranking.comparison.ids.index(i) for i in ("00.png", *ranking.batch)]
    assert ranking.notes["value"] == pytest.approx(expected_dice(ranking.comparison.similarity, others).min())
    assert TaskDependent(true_masks=True).blank(round_) == frozenset()


def test_nothing_labelled_can_be_compared_and_the_others_still_are(small_round: Round) -> None:
    round_ = seen_as(small_round, {i: np.zeros((48, 48), np.uint8) for i in small_round.labelled})
    ranking = TaskDependent("unet", candidates=1).rank(round_, 2)
    assert sorted(ranking.order) == list(round_.unlabelled)
    assert ranking.notes["worst_before"] == 0.0


def test_an_empty_true_mask_is_not_compared_where_true_masks_are_used(small_round: Round) -> None:
    labels = {**small_round.labels, "00.png": np.zeros((48, 48), np.uint8)}
    round_ = dataclasses.replace(small_round, labels=labels)
    assert "00.png" in TaskDependent(true_masks=True).blank(round_)
    assert "01.png" not in TaskDependent(true_masks=True).blank(round_)


def test_a_speck_that_an_annotator_drew_stays_a_label(small_round: Round) -> None:
    speck = np.zeros((48, 48), np.uint8)
    speck[3, 4] = 1
    labels = {**small_round.labels, "00.png": speck}
    round_ = seen_as(dataclasses.replace(small_round, labels=labels), {"05.png": speck})
    assert "00.png" not in TaskDependent(true_masks=True).blank(round_)
    assert "05.png" not in TaskDependent("unet", candidates=10).units(round_)


# networks that cannot be trained


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
    with pytest.raises(StrategyError, match=r"None of the .*networks .*out of memory"):
        strategy.rank(round_, 2)


# trusted


def test_what_is_trusted_teaches_less_about_what_is_not() -> None:
    similarity = np.full((3, 3), 0.8, np.float32)
    np.fill_diagonal(similarity, 1.0)
    result = discount(similarity, np.array([1.0, 0.9, 0.4]))
    assert result[0, 2] == pytest.approx(0.8 * 0.4)
    assert result[2, 0] == pytest.approx(0.8)
    np.testing.assert_array_equal(result.diagonal(), 1.0)


# alike, coverage


def likeness(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What a similarity of 1 everywhere becomes."""
    found = np.ones((len(vectors), len(vectors)), np.float32)
    weigh_by_likeness(found, vectors)
    return found


def test_likeness_by_hand() -> None:
    """Neighbours on a line are at the median distance, the ends at four times that;
    a feature that does not vary counts for nothing."""
    result = likeness(np.array([[0, 5], [1, 5], [2, 5]], np.float32))
    np.testing.assert_allclose(result, np.exp([[0, -1, -4], [-1, 0, -1], [-4, -1, 0]]), rtol=1e-6)
    np.testing.assert_array_equal(likeness(np.ones((3, 2), np.float32)), 1.0)


def test_the_likeness_of_an_image_of_which_nothing_is_known_is_worth_what_alike_images_teach() -> None:
    """By hand: three known images on a line, and one beside the first."""
    d = np.array([[1, 0.8, 0.2], [0.8, 1, 0.4], [0.2, 0.4, 1]], np.float32)
    vectors = np.array([[0], [1], [2], [0]], np.float32)
    known = np.array([True, True, True, False])
    alike = likeness(vectors)
    found = add_unknown(d, known)
    weigh_by_likeness(found, vectors, known)
    pairs = [(0, 1), (0, 2), (1, 2)]
    usual = sum(d[pair] * alike[pair] for pair in pairs) / sum(alike[pair] for pair in pairs)
    np.testing.assert_allclose(found[:3, :3], d * alike[:3, :3], rtol=1e-5)
    np.testing.assert_allclose(found[3], [usual, usual * alike[3, 1], usual * alike[3, 2], 1], rtol=1e-5)
    np.testing.assert_allclose(found, found.T, rtol=1e-6)


def test_mutual_is_the_lower_direction_of_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.similarity.likeness.BLOCK", 3)
    d = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    expected = np.minimum(d, d.T)
    make_mutual(d)
    np.testing.assert_array_equal(d, expected)


def test_the_scale_of_a_large_pool_is_that_of_a_sample() -> None:
    """Whatever its order: here images of two groups alternate."""
    features = np.random.default_rng(0).normal(size=(1200, 4)).astype(np.float32)
    features[::2] += 3
    assert np.median(-np.log(likeness(features))) == pytest.approx(1, rel=0.1)


def test_a_group_that_looks_unlike_all_labelled_images_is_asked_for() -> None:
    """Its pseudo-labels agree with each other, and with what labelled images teach, so that the paper's rule
    sees nothing to gain there."""
    groups = np.array([0, 0, 0, 0, 1, 1, 1])
    similarity = np.array([[0.7, 0.9], [0.3, 0.9]], np.float32)[groups][:, groups]
    np.fill_diagonal(similarity, 1.0)
    features = groups[:, None] + np.linspace(0, 0.2, 7, dtype=np.float32)[:, None]
    assert groups[list(maximin(similarity, [0], 1).indices)] == 0
    assert groups[list(maximin(similarity * likeness(features), [0], 1).indices)] == 1


# ensemble


def test_bags_hold_80_percent_and_at_least_one() -> None:
    random = np.random.default_rng(0)
    assert [len(draw_bag([f"{i}" for i in range(count)], random)) for count in (1, 3, 10)] == [1, 2, 8]


def test_networks_that_agree_have_no_divergence() -> None:
    output = np.random.default_rng(0).dirichlet([1, 1], (4, 4)).astype(np.float32).transpose(2, 0, 1)
    assert mean_kl_divergence(np.stack([output] * 4)) == pytest.approx(0.0, abs=1e-6)


def test_divergence_by_hand() -> None:
    outputs = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32).reshape(2, 2, 1, 1)
    assert mean_kl_divergence(outputs) == pytest.approx(np.log(2), abs=1e-4)


@given(st.integers(0, 500), st.integers(1, 4))
def test_exhaustive_search_is_the_best_subset_and_greedy_never_better(seed: int, budget: int) -> None:
    similarity = cosine_similarity(np.random.default_rng(seed).normal(size=(8, 3)).astype(np.float32))
    candidates = [0, 2, 3, 5, 6, 7]
    best = max(representation(similarity, subset) for subset in combinations(candidates, budget))
    assert representation(similarity, exhaustive_subset(similarity, candidates, budget)) == pytest.approx(
        best
    )
    greedy = greedy_subset(similarity, candidates, budget)
    assert len(set(greedy)) == budget
    assert representation(similarity, greedy) <= best + 1e-9


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


@given(st.integers(0, 500), st.integers(1, 3))
def test_what_is_represented_already_counts_in_both_searches(seed: int, budget: int) -> None:
    """A subset is worth what it adds to the labelled images."""
    similarity = cosine_similarity(np.random.default_rng(seed).normal(size=(9, 3)).astype(np.float32))
    candidates, covered = [0, 2, 3, 5, 6], similarity[[7, 8]].max(axis=0)
    worth = {
        subset: np.maximum(similarity[list(subset)].max(axis=0), covered).sum()
        for subset in combinations(candidates, budget)
    }
    best = exhaustive_subset(similarity, candidates, budget, covered)
    assert worth[tuple(best)] == pytest.approx(max(worth.values()))
    greedy = greedy_subset(similarity, candidates, budget, covered)
    assert worth[tuple(sorted(greedy))] <= max(worth.values()) + 1e-9


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


def test_the_search_is_a_setting() -> None:
    with pytest.raises(StrategyError, match="search"):
        get_strategy("ensemble", search="psychic")


# features, entropy, distance


def test_a_zero_feature_vector_is_similar_to_none() -> None:
    similarity = cosine_similarity(np.array([[1, 0], [0, 0], [2, 0]], np.float32))
    assert similarity[0, 2] == pytest.approx(1.0)
    assert similarity[0, 1] == 0.0


def test_entropy_is_one_bit_for_a_coin_and_none_for_certainty() -> None:
    assert mean_entropy(np.full((2, 3, 3), 0.5, np.float32)) == pytest.approx(1.0)
    assert mean_entropy(np.stack([np.ones((3, 3)), np.zeros((3, 3))]).astype(np.float32)) == pytest.approx(
        0.0, abs=1e-4
    )


@pytest.mark.parametrize(
    ("centres", "order", "radii"),
    [
        ([0], [4, 2, 1, 3], [10.0, 5.0, 1.0, 1.0]),
        ([], [2, 0, 4, 1, 3], [np.inf, 5.0, 5.0, 1.0, 1.0]),
        ([0, 1, 2, 3, 4], [], []),
    ],
)
def test_farthest_first_on_a_line(centres: list[int], order: list[int], radii: list[float]) -> None:
    """Without any centre it begins where it is told to."""
    points = np.array([0.0, 1.0, 5.0, 9.0, 10.0])
    found = farthest_first(lambda index: np.abs(points - points[index]), centres, first=2, count=5)
    assert found == (order, radii)


@pytest.mark.parametrize("name", strategy_names())
def test_without_labels_a_strategy_orders_all_images_or_says_to_label(
    trained_round: Round, name: str, tmp_path: Path
) -> None:
    strategy = get_strategy(name, **OPTIONS.get(name, {}))
    round_ = dataclasses.replace(trained_round, labels={}, folder=tmp_path)
    if strategy.needs_labels:
        with pytest.raises(TooFewLabelsError, match="label a few images first"):
            strategy.rank(round_, 4)
    else:
        assert sorted(strategy.rank(round_, 4).order) == list(round_.ids)
