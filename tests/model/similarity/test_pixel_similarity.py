"""The similarity by pixel classifiers, on small images of discs."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.errors import NothingFoundError
from model.network.dice import dice
from model.network.recipe import Recipe
from model.pixels import Pixels, train_networks
from model.reason import Kind, Measure, Reason, describe_reason
from model.selection import Objective
from model.similarity import pixel_similarity
from model.similarity.pixel_similarity import (
    Effort,
    compare_pixels,
    draw_trained,
    sample_images,
    score,
)
from model.similarity.round import Round
from model.strategies import default_options, get_strategy, paper_options
from model.strategies.coverage import Coverage
from model.strategies.task_dependent import ONLY_LOOKS, TaskDependent
from tests.model.conftest import Images, Masks, again
from tests.model.unreadable_images import UnreadableImages

pytestmark = pytest.mark.usefixtures("brief_training")


@pytest.fixture(autouse=True)
def _little_effort(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pools are treated like large ones, which is quick."""
    monkeypatch.setattr(pixel_similarity, "EFFORTS", {})


class Cancelled(Exception):
    """Raised by a progress callback."""


def test_all_pairs_are_known_and_tell_dark_from_bright_discs(pixel_round: Round) -> None:
    """Both labelled images show bright discs; networks of one brightness find nothing of the other's."""
    found = compare_pixels(again(pixel_round, labels=pixel_round.labels))
    assert found.matrix.shape == (len(found.ids), len(found.ids))
    assert np.diagonal(found.matrix).tolist() == [1.0] * len(found.ids)
    assert ((found.matrix >= 0) & (found.matrix <= 1)).all()
    bright = [place for place, identity in enumerate(found.ids) if int(identity[:2]) % 3 != 2]
    assert found.matrix[np.ix_(bright, bright)].mean() > 0.7


def test_an_order_by_pixels_is_the_same_whatever_the_order_of_images(pixel_round: Round) -> None:
    """And it trains no U-Net, has no units, and keeps what it was decided from."""
    one = again(pixel_round)
    two = again(pixel_round, images=dict(reversed(list(pixel_round.images.items()))))
    strategy = TaskDependent()
    assert strategy.units(one) == ()
    ranking = strategy.rank(one, 3)
    assert sorted(ranking.order) == list(one.unlabelled)
    assert ranking.order == strategy.rank(two, 3).order
    assert ranking.comparison is not None
    assert ranking.comparison.trained == ranking.comparison.ids
    assert 0 <= ranking.notes["value"] <= ranking.notes["upper_bound"] <= 1
    assert not (one.folder / "model").exists()
    assert not (one.folder / "rows").exists()


def test_dice_on_the_samples_is_dice() -> None:
    """Of three classes, with one that is in neither mask, and images in blocks; and of pixels that stand for
    several of their class."""
    random = np.random.default_rng(0)
    features = [random.normal(size=(50, 4)).astype(np.float16) for _ in range(5)]
    classes = [random.integers(0, 3, 50).astype(np.uint8) for _ in range(4)] + [np.zeros(50, np.uint8)]
    networks = train_networks(
        [Pixels(features[k].astype(np.float32), classes[k]) for k in range(2)],
        [1, 2],
        classes=4,
        hidden=4,
        steps=3,
        batch=16,
    )
    counts = np.array([[1, 1, 1, 1], [9, 1, 2, 1], [1, 1, 1, 1], [3, 1, 1, 1], [1, 5, 1, 1]], np.float32)
    found = score(networks, features, classes, list(counts))
    import torch

    for k in range(2):
        for i in range(5):
            values = torch.from_numpy(features[i].astype(np.float32))
            mask = networks.logits(values)[k].argmax(dim=1).to(torch.uint8).numpy()
            times = counts[i].astype(int)[classes[i]]
            expected = dice(np.repeat(mask, times)[None], np.repeat(classes[i], times)[None], 4)
            assert found[k, i] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("broken", [{"07.png"}, {"01.png"}, {"01.png", "05.png", "11.png"}])
def test_an_image_whose_features_cannot_be_computed_is_left_out_by_name(
    discs: tuple[Images, Masks], pixel_round: Round, broken: set[str]
) -> None:
    """Labelled or not; the others are ordered, and it comes last with the reason."""
    nan = {"11.png": np.full((48, 48, 3), np.nan, np.float32)}
    round_ = again(
        pixel_round,
        images=UnreadableImages({**discs[0], **(nan if "11.png" in broken else {})}, broken - set(nan)),
        image_digests={i: f"{i} of NaN" if i in broken else i for i in discs[0]},
    )
    ranking = TaskDependent().rank(round_, 3)
    assert set(round_.failed) == broken
    assert sorted(ranking.order) == list(round_.unlabelled)
    last = [query for query in ranking.queries if query.image in broken]
    assert [query.rank for query in last] == list(range(11 - len(last), 11))
    assert all("could not be compared" in str(query.reason) for query in last)


def test_a_pool_in_which_nothing_is_found_says_so(pixel_round: Round) -> None:
    blank = {identity: np.zeros((48, 48), np.uint8) for identity in pixel_round.labelled}
    with pytest.raises(NothingFoundError):
        TaskDependent().rank(again(pixel_round, labels=blank), 2)


def test_true_masks_stand_for_what_the_model_finds(pixel_round: Round) -> None:
    """However small what the annotator drew; an empty mask is not compared."""
    speck = np.zeros((48, 48), np.uint8)
    speck[3:5, 4] = 1
    labels = {**pixel_round.labels, "04.png": speck, "06.png": np.zeros_like(speck)}
    found = compare_pixels(again(pixel_round, labels=labels), true_masks=True)
    assert "04.png" in found.ids
    assert "06.png" in found.empty


def test_the_sampled_pixels_of_a_label_count_for_its_whole_mask(pixel_round: Round) -> None:
    """Those of a speck, which the sample holds more of, and of all others; those of a model's mask alike."""
    speck = np.zeros((48, 48), np.uint8)
    speck[3:9, 4:8] = 1
    round_ = again(pixel_round, labels={**pixel_round.labels, "04.png": speck})
    effort = Effort(2000, 2000)
    for identity, sampled in sample_images(round_, True, effort, frozenset()):
        if sampled is not None and identity in round_.labels:
            stand_for = np.bincount(sampled.classes, minlength=2) * sampled.counts
            np.testing.assert_allclose(stand_for, np.bincount(round_.labels[identity].ravel(), minlength=2))
        elif sampled is not None:
            assert sampled.counts.tolist() == [1, 1]


@pytest.mark.parametrize("name", ["Features", "Networks on single images", "Training on all labels"])
def test_a_cancel_ends_it(pixel_round: Round, name: str) -> None:
    def cancel(step: str, done: int, _total: int) -> None:
        if step == name and done:
            raise Cancelled

    with pytest.raises(Cancelled):
        TaskDependent().rank(again(pixel_round, on_progress=cancel), 2)


def test_in_a_large_pool_some_images_get_a_network(
    pixel_round: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labelled ones, and others drawn at random; the rows of the rest are estimated."""
    known = compare_pixels(again(pixel_round))
    monkeypatch.setattr(pixel_similarity, "MOST_NETWORKS", 7)
    found = compare_pixels(again(pixel_round))
    assert len(found.trained) == 7
    assert set(pixel_round.labelled) <= set(found.trained)
    rows = [found.ids.index(identity) for identity in found.trained]
    np.testing.assert_allclose(found.matrix[rows], known.matrix[rows], atol=1e-3)
    assert np.abs(found.matrix - known.matrix).mean() < 0.2
    ranking = TaskDependent().rank(again(pixel_round), 3)
    assert sorted(ranking.order) == list(pixel_round.unlabelled)
    assert ranking.comparison is not None
    assert ranking.comparison.trained == found.trained


@pytest.mark.parametrize(
    ("labelled", "of_labels", "of_others"),
    [(0, 0, 1000), (5, 5, 995), (700, 500, 500), (1300, 500, 500), (2400, 900, 100)],
)
def test_however_many_are_labelled_the_networks_are_no_more_and_half_are_of_others(
    tmp_path: Path, labelled: int, of_labels: int, of_others: int
) -> None:
    """As far as there are others, since it is them that the order is about."""
    ids = [f"{number:05d}" for number in range(2500)]
    labels = dict.fromkeys(ids[:labelled], np.zeros((2, 2), np.uint8))
    images = dict.fromkeys(ids, np.zeros((2, 2, 3), np.float32))
    drawn = draw_trained(Round(images, labels, 2, Recipe(), 0, tmp_path))
    assert (len(drawn & set(labels)), len(drawn - set(labels))) == (of_labels, of_others)


def test_images_whose_features_are_kept_need_not_be_read(
    discs: tuple[Images, Masks], pixel_round: Round
) -> None:
    """Where their sizes are known."""
    told = {"image_digests": {i: i for i in discs[0]}, "image_sizes": dict.fromkeys(discs[0], (48, 48))}
    order = TaskDependent().rank(again(pixel_round, **told), 2).order
    unread = again(pixel_round, **told, images=UnreadableImages(discs[0], set(discs[0])))
    assert TaskDependent().rank(unread, 2).order == order
    assert not unread.failed


def test_features_are_computed_once(pixel_round: Round, tmp_path: Path) -> None:
    """Another round over the same images finds them."""
    first = dataclasses.replace(pixel_round, folder=tmp_path / "one", feature_folder=tmp_path / "features")
    order = TaskDependent().rank(first, 2).order
    kept = {path: path.stat().st_ino for path in (tmp_path / "features").rglob("*.*")}
    assert len(kept) >= len(first.ids)
    second = dataclasses.replace(first, folder=tmp_path / "two")
    assert TaskDependent().rank(second, 2).order == order
    assert {path: path.stat().st_ino for path in (tmp_path / "features").rglob("*.*")} == kept


@pytest.mark.parametrize("name", ["alike", "trusted"])
def test_the_guards_against_wrong_masks_work_on_pixels_too(pixel_round: Round, name: str) -> None:
    """They lower d and never raise it, train no U-Net, and have no units."""
    round_ = again(pixel_round)
    strategy, known = get_strategy(name), compare_pixels(again(pixel_round))
    assert strategy.units(round_) == ()
    ranking = strategy.rank(round_, 2)
    assert sorted(ranking.order) == list(round_.unlabelled)
    assert ranking.comparison is not None
    assert (ranking.comparison.similarity <= known.matrix + 1e-6).all()
    assert (ranking.comparison.similarity < known.matrix - 1e-3).any()
    assert not (round_.folder / "model").exists()


# options of task_dependent, and coverage


VARIANTS = [
    {"objective": objective, "mutual": believed, "likeness": not believed}
    for objective in Objective
    for believed in (False, True)
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_every_variant_orders_all_images_and_says_what_it_raises(
    pixel_round: Round, options: dict[str, Any]
) -> None:
    ranking = TaskDependent(**options).rank(again(pixel_round), 3)
    assert sorted(ranking.order) == list(pixel_round.unlabelled)
    measure = Measure.of_notes(ranking.notes)
    assert measure is not None
    assert (measure is Measure.WORST) == (options["objective"] == Objective.MIN_MEAN)
    assert 0 <= ranking.notes["value"] <= ranking.notes["upper_bound"] <= 1
    first = ranking.queries[0].reason
    assert isinstance(first, Reason)
    assert getattr(first, measure) == (ranking.notes[measure.note], ranking.queries[0].expected_dice)
    assert first.alike == (options["likeness"] or None)


def test_coverage_is_a_variant_of_the_method(pixel_round: Round) -> None:
    """By other defaults alone, which an experiment keeps."""
    own = default_options("coverage")
    assert own == default_options("task_dependent") | {
        "true_masks": True,
        "objective": "mean_max",
        "mutual": True,
        "likeness": True,
    }
    assert paper_options("coverage") == {}
    one, other = Coverage().rank(again(pixel_round), 3), TaskDependent(**own).rank(again(pixel_round), 3)
    assert one == other
    assert one.comparison is not None
    d = one.comparison.similarity
    np.testing.assert_allclose(d, d.T, atol=1e-6)
    known = compare_pixels(again(pixel_round), true_masks=True)
    assert (d <= np.minimum(known.matrix, known.matrix.T) + 1e-6).all()


def bad_input(kind: str, round_: Round) -> Round:
    """A round of few images that is hard to order."""
    images = {i: round_.images[i] for i in round_.ids[:7]}
    labels = {i: round_.labels[i] for i in ("00.png", "01.png")}
    classes = 2
    if kind == "one label":
        del labels["01.png"]
    elif kind == "all alike":
        images = dict.fromkeys(images, images["00.png"])
        labels = dict.fromkeys(labels, labels["00.png"])
    elif kind == "two identical":
        images["04.png"] = images["03.png"]
    elif kind == "nothing found":  # and nothing labelled
        labels = {i: np.zeros_like(mask) for i, mask in labels.items()}
    elif kind == "class without label":
        classes = 3
    return again(round_, images=images, labels=labels, classes=classes)


@pytest.mark.parametrize(
    ("kind", "budget"),
    [
        ("one label", 6),
        ("all alike", 2),
        ("two identical", 2),
        ("nothing found", 5),
        ("class without label", 2),
    ],
)
def test_coverage_orders_whatever_it_is_given(pixel_round: Round, kind: str, budget: int) -> None:
    """All unlabelled images once, the batch first; up to a budget as large as the pool."""
    round_ = bad_input(kind, pixel_round)
    ranking = Coverage().rank(round_, budget)
    assert sorted(ranking.order) == list(round_.unlabelled)
    assert ranking.batch == ranking.order[:budget]
    assert 0 <= ranking.notes["value"] <= ranking.notes["upper_bound"] <= 1
    if kind == "two identical":
        assert not {"03.png", "04.png"} <= set(ranking.batch)
    if kind == "nothing found":
        assert ranking.comparison is not None
        assert ranking.comparison.trained == ()
        assert {query.reason.note for query in ranking.queries if isinstance(query.reason, Reason)} == {
            ONLY_LOOKS
        }


def test_an_image_in_which_nothing_is_found_has_a_place_by_its_looks(pixel_round: Round) -> None:
    """Not by the paper's objective, where it comes last."""
    empty = {"05.png": np.zeros_like(pixel_round.images["05.png"])}
    round_ = again(pixel_round, images={**pixel_round.images, **empty})
    last = TaskDependent(likeness=True).rank(round_, 2)
    assert (last.order[-1], last.queries[-1].reason) == ("05.png", Reason(Kind.EMPTY))
    ranking = Coverage().rank(again(round_), 2)
    assert ranking.notes["blank_pseudo_labels"] == 1
    assert ranking.comparison is not None
    assert ranking.comparison.ids == round_.ids
    place = round_.ids.index("05.png")
    others = np.arange(len(round_.ids)) != place
    d = ranking.comparison.similarity
    assert 0 < d[place][others].max() < 1
    np.testing.assert_allclose(d[place], d[:, place])
    query = next(query for query in ranking.queries if query.image == "05.png")
    assert ONLY_LOOKS in describe_reason(query.reason)
