"""The paper's strategy: which images get a network, and what masks that show nothing do."""

import dataclasses

import numpy as np
import pytest

from model.errors import NothingFoundError
from model.network.pseudo_labels import PseudoLabels
from model.reason import Kind, Reason
from model.selection import expected_dice
from model.similarity.round import Round
from model.strategies import get_strategy
from model.strategies.task_dependent import TaskDependent
from tests.model.conftest import Masks


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


def test_images_in_which_the_model_finds_nothing_are_neither_trained_on_nor_first(small_round: Round) -> None:
    blank = "05.png"
    round_ = seen_as(small_round, {blank: np.zeros((48, 48), np.uint8)})
    assert blank not in TaskDependent("unet", candidates=100).units(round_)
    ranking = TaskDependent("unet", candidates=1).rank(round_, 2)
    assert blank not in ranking.batch
    assert ranking.notes["blank_pseudo_labels"] == 1
    assert next(query.reason for query in ranking.queries if query.image == blank) == Reason(Kind.EMPTY)


def test_a_model_that_finds_nothing_anywhere_is_said(small_round: Round) -> None:
    round_ = seen_as(small_round, {identity: np.zeros((48, 48), np.uint8) for identity in small_round.ids})
    with pytest.raises(NothingFoundError):
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
