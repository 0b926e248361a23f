"""Herding: typical and varied images in view of the labels, and how far masks are trusted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.reason import Measure, Reason
from model.similarity import reverse_accuracy, teaching
from model.similarity.appearance import Appearance, normalise, standardise
from model.similarity.likeness import weigh_by_likeness
from model.similarity.pixel_similarity import compare_pixels
from model.similarity.reverse_accuracy import measure_trust, spread_trust
from model.similarity.round import Round
from model.similarity.teaching import EFFORT
from model.strategies import get_strategy
from model.strategies.herding import adapt_width
from tests.model.conftest import Masks, again


@pytest.mark.parametrize("uncertainty", ["none", "reverse_accuracy"])
def test_the_appearance_that_no_label_shows_comes_first(pixel_round: Round, uncertainty: str) -> None:
    """Dark discs, since both labelled images are bright; and the reason says for how many it speaks."""
    ranking = get_strategy("herding", uncertainty=uncertainty).rank(again(pixel_round), 2)
    assert int(ranking.order[0][:2]) % 3 == 2
    first = ranking.queries[0].reason
    assert isinstance(first, Reason)
    assert first.represents is not None
    assert first.represents >= 3
    assert (first.value is None) == (uncertainty == "none")


def test_trust_is_the_best_dice_of_the_single_image_network_on_a_label(pixel_round: Round) -> None:
    """As the similarity with true masks has it; a mask of dark discs, drawn by a model of bright ones, is
    trusted least."""
    trust = measure_trust(again(pixel_round))
    found = compare_pixels(again(pixel_round), true_masks=True)
    labelled = [found.ids.index(identity) for identity in pixel_round.labelled]
    assert trust.keys() == set(found.ids) - set(pixel_round.labelled)
    for identity, value in trust.items():
        assert value == pytest.approx(found.matrix[found.ids.index(identity), labelled].max(), abs=0.02)
    dark = [value for identity, value in trust.items() if int(identity[:2]) % 3 == 2]
    assert np.mean(dark) < np.mean(list(trust.values()))


def test_in_a_large_pool_images_without_a_network_are_trusted_like_those_that_look_like_them(
    pixel_round: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = measure_trust(again(pixel_round))
    monkeypatch.setattr(reverse_accuracy, "MOST_NETWORKS", 4)
    some = measure_trust(again(pixel_round))
    assert len(some) <= 4
    assert some == {identity: pytest.approx(known[identity], abs=1e-4) for identity in some}
    vectors = np.array([[0.0, 1], [0.1, 1], [1, 0], [1, 0.1]], np.float32)
    seen = Appearance(("a", "b", "c", "d"), vectors)
    monkeypatch.setattr(reverse_accuracy, "NEIGHBOURS", 1)
    np.testing.assert_allclose(spread_trust(seen, {"a": 0.9, "d": 0.2}), [0.9, 0.9, 0.2, 0.2])
    assert not spread_trust(seen, {}).any()


@pytest.mark.parametrize("value", [0, 1])
def test_where_nothing_can_be_trusted_or_doubted_all_images_count_alike(
    pixel_round: Round, value: int
) -> None:
    """Labels that show nothing, or nothing but foreground: no network, and the order of plain herding."""
    labels: Masks = {identity: np.full((48, 48), value, np.uint8) for identity in pixel_round.labelled}
    round_ = again(pixel_round, labels=labels)
    plain, weighted = (
        get_strategy("herding", uncertainty=name).rank(round_, 2) for name in ("none", "reverse_accuracy")
    )
    assert weighted.order == plain.order


def test_what_the_labels_teach_is_foreseen_of_images_that_look_alike(
    pixel_round: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the best labelled teacher, as the comparison of all images has it, in one direction; a label more
    never lowers it, and of what is labelled 1 is expected."""
    round_ = again(pixel_round)
    ranking = get_strategy("herding").rank(round_, 2)
    found = compare_pixels(again(pixel_round), true_masks=True, effort=EFFORT)
    assert set(found.ids) == set(round_.ids)
    known = found.matrix.copy()
    weigh_by_likeness(known, found.vectors)
    labelled = [found.ids.index(identity) for identity in round_.labelled]
    level = known[labelled].max(axis=0)
    expected = {
        identity: pytest.approx(each, abs=0.03) for identity, each in zip(found.ids, level, strict=True)
    }
    assert ranking.expected == expected
    monkeypatch.setattr(teaching, "MOST_JUDGED", 6)  # as in a large pool
    some = get_strategy("herding").rank(round_, 2)
    assert len(some.expected) == 6
    assert some.expected == {each: pytest.approx(ranking.expected[each], abs=1e-3) for each in some.expected}
    before = ranking.notes[Measure.MEAN.note]
    for query in ranking.queries:
        level = np.maximum(level, known[found.ids.index(query.image)])
        assert query.expected_dice is not None
        assert query.expected_dice == pytest.approx(level.mean(), abs=0.03)
        assert query.expected_dice >= before
        before = query.expected_dice
    assert before == pytest.approx(1.0, abs=1e-6)  # all are labelled by then


def test_without_anything_to_learn_from_nothing_is_foreseen_and_the_order_is_the_same(
    pixel_round: Round, tmp_path: Path
) -> None:
    """Without a label, with labels that show nothing, and with a classifier that cannot be read."""
    empty: Masks = {identity: np.zeros((48, 48), np.uint8) for identity in pixel_round.labelled}
    for round_ in (
        again(pixel_round, labels={}),
        again(pixel_round, labels=empty),
        again(pixel_round, pixel_model_folder=tmp_path),
    ):
        ranking = get_strategy("herding").rank(round_, 2)
        assert sorted(ranking.order) == list(round_.unlabelled)
        assert (ranking.notes, ranking.expected) == ({}, {})
        assert {query.expected_dice for query in ranking.queries} == {None}


def test_the_kernel_narrows_as_labels_come() -> None:
    """Never to nothing, also with duplicates and without a label."""
    vectors = normalise(standardise(np.random.default_rng(0).normal(size=(50, 4))))
    vectors[1] = vectors[0]
    widths = [adapt_width(vectors, range(count)) for count in (0, 1, 2, 3, 20, 50)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == widths[1] == widths[2] == 1.0
    assert 0 < widths[-1] < widths[0]
    assert adapt_width(np.zeros((3, 2), np.float32), [0, 1]) == 1.0
    frames = np.array(
        [[1.0, 0.0], [np.cos(0.1), np.sin(0.1)], [0.0, 1.0]], np.float32
    )  # two of them of a film
    assert adapt_width(frames, [0, 1]) == 1.0
    assert adapt_width(np.zeros((0, 2), np.float32), []) == 1.0
