"""What a round computes once and keeps."""

import dataclasses
import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from model.arrays import Mask
from model.errors import BudgetError, CheckpointError, TooFewLabelsError
from model.network.pseudo_labels import PseudoLabels
from model.network.recipe import Recipe
from model.similarity.round import Round
from tests.model.conftest import Images, Masks


def test_pseudo_labels_are_the_models_masks_of_all_images(small_round: Round) -> None:
    assert set(small_round.pseudo_labels) == set(small_round.images)
    assert all(
        mask.shape == (48, 48) and mask.dtype == np.uint8 for mask in small_round.pseudo_labels.values()
    )


def test_a_killed_round_finds_its_model_and_pseudo_labels_again(small_round: Round) -> None:
    before = small_round.pseudo_labels
    trainings: list[str] = []
    again = Round(
        small_round.images,
        small_round.labels,
        2,
        small_round.recipe,
        small_round.seed,
        small_round.folder,
        on_progress=lambda step, _done, _total: trainings.append(step),
    )
    for identity, mask in again.pseudo_labels.items():
        np.testing.assert_array_equal(mask, before[identity])
    assert again.model.record == small_round.model.record
    assert trainings == []
    assert again.fingerprint == small_round.fingerprint


def test_new_labels_in_the_same_folder_are_not_answered_with_the_old_network(
    small_round: Round, discs: tuple[Images, Masks]
) -> None:
    old = dict(small_round.pseudo_labels)
    more = dataclasses.replace(small_round, labels={i: discs[1][i] for i in ("00.png", "02.png", "05.png")})
    assert more.model.record["images"] == 3
    assert any((more.pseudo_labels[i] != old[i]).any() for i in old)


def test_pseudo_labels_follow_their_images_when_one_is_removed(small_round: Round) -> None:
    old = dict(small_round.pseudo_labels)
    fewer = dataclasses.replace(
        small_round, images={i: image for i, image in small_round.images.items() if i != "04.png"}
    )
    for identity, mask in fewer.pseudo_labels.items():
        np.testing.assert_array_equal(mask, old[identity])


def test_pseudo_labels_of_an_added_image_are_computed(
    small_round: Round, discs: tuple[Images, Masks]
) -> None:
    _ = small_round.pseudo_labels
    more = dataclasses.replace(small_round, images={**small_round.images, "99.png": discs[0]["03.png"]})
    np.testing.assert_array_equal(more.pseudo_labels["99.png"], small_round.pseudo_labels["03.png"])


@pytest.mark.parametrize("file", ["pseudo-labels.npz", "model/weights.safetensors", "model/model.json"])
def test_half_written_files_are_made_again(small_round: Round, file: str) -> None:
    before = dict(small_round.pseudo_labels)
    path = small_round.folder / file
    path.write_bytes(path.read_bytes()[:40])
    again = dataclasses.replace(small_round)
    assert again.model.record["images"] == 2
    for identity, mask in again.pseudo_labels.items():
        np.testing.assert_array_equal(mask, before[identity])


def test_pseudo_labels_are_read_when_asked_for_and_never_all_in_memory(tmp_path: Path) -> None:
    """Of 10 MiB of masks no more than the cache's share is held, while they are written and while they are
    read."""
    random = np.random.default_rng(0)
    ids = [f"{number:03d}.png" for number in range(160)]
    masks = {identity: (random.random((256, 256)) < 0.01).astype(np.uint8) for identity in ids[:8]}

    def predicted() -> Iterator[Mask]:
        for number in range(len(ids)):
            yield masks[ids[number % 8]].copy()

    tracemalloc.start()
    try:
        PseudoLabels.write(tmp_path / "p.npz", "f_L", ids, predicted())
        stored = PseudoLabels(tmp_path / "p.npz", "f_L", ids, cache_bytes=2**20)
        for number, identity in enumerate(ids):
            np.testing.assert_array_equal(stored[identity], masks[ids[number % 8]])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 2**20
    assert list(stored) == ids
    assert stored.blank == frozenset()


def test_pseudo_labels_damaged_later_are_set_aside_and_made_again(small_round: Round) -> None:
    """The error names the file, and whoever starts again needs to do no more."""
    path = small_round.folder / "pseudo-labels.npz"
    before = small_round.pseudo_labels["00.png"]
    content = bytearray(path.read_bytes())
    content[60:70] = b"x" * 10  # inside the first mask
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"labels\.npz .* pseudo-labels\.damaged"):
        _ = dataclasses.replace(small_round).pseudo_labels["00.png"]
    assert path.with_suffix(".damaged").read_bytes() == bytes(content)
    np.testing.assert_array_equal(dataclasses.replace(small_round).pseudo_labels["00.png"], before)


def test_all_images_labelled_is_said(
    discs: tuple[Images, Masks], tiny_recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(BudgetError, match="All 12"):
        Round(*discs, 2, tiny_recipe, 0, tmp_path).check_budget(1)


def test_another_seed_has_another_fingerprint(small_round: Round, tmp_path: Path) -> None:
    other = Round(small_round.images, small_round.labels, 2, small_round.recipe, 99, tmp_path / "other")
    assert other.fingerprint != small_round.fingerprint


@pytest.mark.parametrize("budget", [0, 11])
def test_a_budget_out_of_range_names_the_number_of_unlabelled_images(small_round: Round, budget: int) -> None:
    with pytest.raises(BudgetError, match="1 to 10"):
        small_round.check_budget(budget)


def test_without_labels_there_is_no_model(
    discs: tuple[Images, Masks], tiny_recipe: Recipe, tmp_path: Path
) -> None:
    """A round can be all the same, of a strategy that needs none."""
    round_ = Round(discs[0], {}, 2, tiny_recipe, 0, tmp_path)
    assert len(round_.unlabelled) == 12
    with pytest.raises(TooFewLabelsError):
        _ = round_.model


def test_labels_of_unknown_images_are_refused(
    discs: tuple[Images, Masks], tiny_recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="stranger"):
        Round(discs[0], {"stranger": discs[1]["00.png"]}, 2, tiny_recipe, 0, tmp_path)


def test_another_image_under_the_same_name_is_another_round(
    small_round: Round, discs: tuple[Images, Masks]
) -> None:
    """An image of L changes f_L, one of U only what f_L says of it;
    nothing of the old image is found again."""
    old = dict(small_round.pseudo_labels)
    unlabelled = dataclasses.replace(small_round, images={**small_round.images, "05.png": discs[0]["06.png"]})
    assert unlabelled.identity == small_round.identity
    np.testing.assert_array_equal(unlabelled.pseudo_labels["05.png"], old["06.png"])
    assert unlabelled.fingerprint != small_round.fingerprint
    labelled = dataclasses.replace(small_round, images={**small_round.images, "00.png": discs[0]["06.png"]})
    assert labelled.identity != small_round.identity


def test_images_are_told_apart_by_the_digests_of_their_source(small_round: Round) -> None:
    """So that none has to be read for it."""
    digests = dict.fromkeys(small_round.images, "1")
    first = dataclasses.replace(small_round, image_digests=digests)
    _ = first.pseudo_labels
    trained = (small_round.folder / "model" / "model.json").stat().st_mtime_ns
    lazy = dict.fromkeys(small_round.images)  # an image that is asked for fails
    again = dataclasses.replace(first, images=lazy)  # type: ignore[arg-type]
    assert again.fingerprint == first.fingerprint
    assert (small_round.folder / "model" / "model.json").stat().st_mtime_ns == trained
    other = dataclasses.replace(first, image_digests={**digests, "05.png": "2"})
    assert other.fingerprint != first.fingerprint


def test_another_given_model_is_another_round(small_round: Round, tmp_path: Path) -> None:
    """Also where its masks happen to be the same; the same weights in another place are the same."""
    _ = small_round.model
    shutil.copytree(small_round.folder / "model", tmp_path / "copy")
    longer = dataclasses.replace(small_round, seed=2, folder=tmp_path / "longer")
    _ = longer.model
    a, b, c = (
        dataclasses.replace(small_round, model_folder=folder)
        for folder in (small_round.folder / "model", tmp_path / "copy", tmp_path / "longer" / "model")
    )
    assert a.identity == b.identity != c.identity
    with pytest.raises(CheckpointError, match="No saved network in"):
        _ = dataclasses.replace(small_round, model_folder=tmp_path / "nowhere").identity
