"""The pixel classifier, from samples and masks to a saved model."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from model.arrays import Image, Mask
from model.errors import CheckpointError, MaskError, TooFewLabelsError
from model.network.checkpoint import TrainedModel
from model.network.dice import dice
from model.network.folder import DESCRIPTION, WEIGHTS
from model.network.inference import predict_mask, predict_masks, predict_probabilities
from model.network.recipe import Recipe
from model.network.training import train
from model.pixels import (
    FeatureExtractor,
    PixelModel,
    PixelSample,
    WholeFeatures,
    classifier,
    draw_sample,
    features,
    train_networks,
    train_pixel_model,
    train_pixel_models,
)
from model.saved_model import load_model
from tests.model.conftest import blobs
from tests.model.pixels.conftest import noise

Pairs = list[tuple[Image, Mask]]


@pytest.fixture(scope="module")
def model(pairs: Pairs, samples: list[PixelSample], filters: FeatureExtractor) -> PixelModel:
    masks = [mask for _, mask in pairs]
    return train_pixel_model(samples, masks, classes=2, seed=1, extractor=filters)


def test_it_finds_discs_in_images_that_it_has_not_seen(model: PixelModel) -> None:
    for seed, bright in ((20, True), (21, False)):
        image, mask = blobs(seed, bright=bright)
        assert dice(predict_mask(model, image), mask, 2) > 0.9


def test_with_the_pretrained_features_one_label_is_enough() -> None:
    extractor = FeatureExtractor("float32")
    (image, mask), (other, truth) = blobs(0, side=96), blobs(3, side=96)
    sample = draw_sample(image, extractor, mask=mask)
    trained = train_pixel_model([sample], [mask], classes=2, seed=0, extractor=extractor)
    assert dice(predict_mask(trained, other), truth, 2) > 0.9


def test_the_same_seed_gives_the_same_masks(
    model: PixelModel, pairs: Pairs, samples: list[PixelSample], filters: FeatureExtractor
) -> None:
    masks = [mask for _, mask in pairs]
    again = train_pixel_model(samples, masks, classes=2, seed=1, extractor=filters)
    image = blobs(30)[0]
    np.testing.assert_array_equal(predict_probabilities(again, image), predict_probabilities(model, image))


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (33, 57), (530, 40)])
def test_an_image_of_any_size_has_probabilities(model: PixelModel, size: tuple[int, int]) -> None:
    found = predict_probabilities(model, noise(*size))
    assert found.shape == (2, *size)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_masks_drawn_in_tiles_are_those_of_the_whole(
    model: PixelModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = noise(110, 150)
    expected = predict_probabilities(model, image)
    monkeypatch.setattr(features, "TILE", 64)
    monkeypatch.setattr(features, "STRIP", 20 * 64)
    np.testing.assert_allclose(predict_probabilities(model, image), expected, atol=1e-4)


def test_images_together_are_predicted_as_alone(model: PixelModel, pairs: Pairs) -> None:
    images = [image for image, _ in pairs]
    for mask, image in zip(predict_masks(model, images), images, strict=True):
        np.testing.assert_array_equal(mask, predict_mask(model, image))


def test_sampled_pixels_are_classified_as_in_the_mask(
    model: PixelModel, pairs: Pairs, samples: list[PixelSample]
) -> None:
    agree = samples[0].classes_in(predict_mask(model, pairs[0][0])) == model.classify(samples[0])
    assert agree.mean() > 0.995  # samples are kept in half precision


@pytest.mark.parametrize("marked", [0, 1])
@pytest.mark.parametrize("classes", [2, 3])
def test_one_label_that_marks_nothing_or_everything(
    filters: FeatureExtractor, marked: int, classes: int
) -> None:
    """What it predicts is what it was shown."""
    image = noise(60, 60)
    mask = np.full((60, 60), marked, np.uint8)
    trained = train_pixel_model(
        [draw_sample(image, filters, mask=mask)], [mask], classes=classes, seed=0, extractor=filters
    )
    assert (predict_mask(trained, image) == marked).all()
    assert np.isfinite(predict_probabilities(trained, noise(60, 60, seed=1))).all()


def test_a_constant_image_is_learnt_from_without_harm(filters: FeatureExtractor) -> None:
    image, mask = np.zeros((40, 40, 3), np.float32), blobs(0, side=40)[1]
    sample = draw_sample(image, filters)
    trained = train_pixel_model([sample], [mask], classes=2, seed=0, extractor=filters)
    assert np.isfinite(predict_probabilities(trained, image)).all()


def test_a_class_that_appears_later_is_learnt_by_the_next(filters: FeatureExtractor) -> None:
    (image, mask), later = blobs(0), blobs(0)[1] * 2
    sample = draw_sample(image, filters)
    with pytest.raises(MaskError, match=r"class 2\b.*0 to 1"):
        train_pixel_model([sample, sample], [mask, later], classes=2, seed=0, extractor=filters)
    with_three = train_pixel_model([sample], [later], classes=3, seed=0, extractor=filters)
    assert dice(predict_mask(with_three, image), later, 3) > 0.9


def test_many_labels_take_no_more_memory(
    samples: list[PixelSample], pairs: Pairs, filters: FeatureExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = train_networks

    def count(pixels: Any, *given: Any, **named: Any) -> Any:
        seen.append(len(pixels[0].classes))
        return real(pixels, *given, **named)

    monkeypatch.setattr(classifier, "train_networks", count)
    monkeypatch.setattr(classifier, "MOST_PIXELS", 3000)
    masks = [mask for _, mask in pairs]
    trained = train_pixel_model(samples, masks, classes=2, seed=1, extractor=filters)
    assert 2000 < seen[0] <= 3010
    assert dice(predict_mask(trained, pairs[0][0]), masks[0], 2) > 0.9


def test_classifiers_of_several_parts_become_what_each_is_alone(
    samples: list[PixelSample], pairs: Pairs, filters: FeatureExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of all labels and of folds: each by its own scale, and no more pixels at once than for one."""
    labelled = list(zip(samples, [mask for _, mask in pairs], strict=True))
    parts = [labelled, labelled[1:], labelled[:1]]
    seen: list[int] = []
    real = train_networks

    def count(pixels: Any, *given: Any, **named: Any) -> Any:
        seen.append(sum(len(each.classes) for each in pixels))
        return real(pixels, *given, **named)

    monkeypatch.setattr(classifier, "train_networks", count)
    monkeypatch.setattr(classifier, "MOST_PIXELS", sum(len(sample.positions) for sample in samples))
    steps: list[tuple[int, int]] = []
    found = train_pixel_models(
        parts, [3, 4, 5], classes=2, extractor=filters, on_step=lambda *step: steps.append(step)
    )
    assert len(seen) > 1
    assert max(seen) <= classifier.MOST_PIXELS
    assert steps == [(done, len(steps)) for done in range(1, len(steps) + 1)]
    for part, seed, model in zip(parts, (3, 4, 5), found, strict=True):
        alone = train_pixel_model(
            [sample for sample, _ in part],
            [mask for _, mask in part],
            classes=2,
            seed=seed,
            extractor=filters,
        )
        np.testing.assert_array_equal(model.scale.mean, alone.scale.mean)
        expected = alone.sampled_probabilities(samples[0])
        np.testing.assert_allclose(model.sampled_probabilities(samples[0]), expected, atol=0.01)


def test_nothing_to_learn_from_is_said(filters: FeatureExtractor, samples: list[PixelSample]) -> None:
    with pytest.raises(TooFewLabelsError, match="label an image first"):
        train_pixel_model([], [], classes=2, seed=0, extractor=filters)
    with pytest.raises(TooFewLabelsError, match=r"1 images .* 0 masks"):
        train_pixel_model(samples[:1], [], classes=2, seed=0, extractor=filters)


def test_either_kind_of_model_is_loaded_as_it_was_saved(
    model: PixelModel, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    image, mask = blobs(0)
    network = train([image], [mask], classes=2, recipe=tiny_recipe, seed=0, steps=3)
    for name, saved in (("pixel", model), ("unet", network)):
        saved.save(tmp_path / name)
        loaded = load_model(tmp_path / name)
        assert type(loaded) is type(saved)
        assert (loaded.classes, loaded.record) == (saved.classes, saved.record)
        np.testing.assert_array_equal(
            predict_probabilities(loaded, image), predict_probabilities(saved, image)
        )
    description = json.loads((tmp_path / "unet" / DESCRIPTION).read_text())
    del description["kind"]  # as folders were written when there was one kind
    (tmp_path / "unet" / DESCRIPTION).write_text(json.dumps(description))
    assert isinstance(load_model(tmp_path / "unet"), TrainedModel)


@pytest.mark.parametrize("file", [WEIGHTS, DESCRIPTION])
def test_a_damaged_folder_is_said(model: PixelModel, tmp_path: Path, file: str) -> None:
    model.save(tmp_path / "v1")
    path = tmp_path / "v1" / file
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"\xff" * 100):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            load_model(tmp_path / "v1")
    path.unlink()
    with pytest.raises(CheckpointError, match="missing"):
        load_model(tmp_path / "v1")


def _without_a_tensor(tensors: dict[str, torch.Tensor], _: dict[str, Any]) -> None:
    del tensors["output"]


def _with_another_shape(tensors: dict[str, torch.Tensor], _: dict[str, Any]) -> None:
    tensors["output"] = tensors["output"][:, :5].contiguous()


def _with_a_shorter_scale(tensors: dict[str, torch.Tensor], _: dict[str, Any]) -> None:
    tensors["mean"] = tensors["mean"][:5].contiguous()


def _without_a_field(_: dict[str, torch.Tensor], description: dict[str, Any]) -> None:
    del description["features"]


def _with_more_classes(_: dict[str, torch.Tensor], description: dict[str, Any]) -> None:
    description["classes"] = 5


@pytest.mark.parametrize(
    "change",
    [_without_a_tensor, _with_another_shape, _with_a_shorter_scale, _without_a_field, _with_more_classes],
)
def test_parts_that_do_not_fit_are_said(
    model: PixelModel, tmp_path: Path, change: Callable[[dict[str, torch.Tensor], dict[str, Any]], None]
) -> None:
    model.save(tmp_path / "v1")
    description = json.loads((tmp_path / "v1" / DESCRIPTION).read_text())
    tensors = load_file(tmp_path / "v1" / WEIGHTS)
    change(tensors, description)
    save_file(tensors, tmp_path / "v1" / WEIGHTS)
    (tmp_path / "v1" / DESCRIPTION).write_text(json.dumps(description))
    with pytest.raises(CheckpointError, match="description"):
        load_model(tmp_path / "v1")


def test_a_model_of_other_features_is_refused(
    model: PixelModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an earlier version of them, or learnt where the package of weights was installed."""
    model.save(tmp_path / "v1")
    monkeypatch.setattr(features, "FORMAT", 1000)
    with pytest.raises(CheckpointError, match=r"requirements.txt"):
        load_model(tmp_path / "v1")


def test_the_number_format_may_be_another(pairs: Pairs, samples: list[PixelSample], tmp_path: Path) -> None:
    """A model that was trained where bfloat16 is fast is read where it is not."""
    extractor = FeatureExtractor("bfloat16", use_pretrained=False)
    trained = train_pixel_model(samples[:1], [pairs[0][1]], classes=2, seed=0, extractor=extractor)
    trained.save(tmp_path / "v1")
    description = json.loads((tmp_path / "v1" / DESCRIPTION).read_text())
    (tmp_path / "v1" / DESCRIPTION).write_text(json.dumps(description | {"precision": "float32"}))
    assert load_model(tmp_path / "v1").classes == 2


def test_masks_by_kept_features_are_those_of_the_image(model: PixelModel) -> None:
    """Computed once; where they find no room, each time."""
    images = [noise(60, 70, seed=seed) for seed in range(3)]
    reads: list[int] = []

    def read(number: int) -> Image:
        reads.append(number)
        return images[number]

    room = 5 * model.extractor.channels * 60 * 70  # bytes: two images in half precision, and no third
    kept = WholeFeatures(model.extractor, limit=room)
    for number in (0, 1, 2, 0, 1, 2):
        blocks = kept.blocks(str(number), partial(read, number))
        found = model.probabilities_of(blocks, (60, 70)).numpy()
        np.testing.assert_allclose(found, predict_probabilities(model, images[number]), atol=0.02)
    assert reads == [0, 1, 2, 2]
