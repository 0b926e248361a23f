"""Where networks run, and in which number format."""

import numpy as np
import pytest
import torch

from model.network.checkpoint import TrainedModel
from model.network.device import default_device, default_width, describe, number_format
from model.network.dice import dice
from model.network.inference import extract_features, predict_mask, predict_probabilities
from model.network.recipe import Recipe
from model.network.training import train
from tests.model.conftest import Images, Masks, blobs


@pytest.fixture(scope="module")
def pair(discs: tuple[Images, Masks], tiny_recipe: Recipe) -> tuple[TrainedModel, TrainedModel]:
    """The same training in float32 and in mixed precision."""
    images, masks = discs
    ids = ("00.png", "01.png", "03.png")

    def trained(precision: str) -> TrainedModel:
        recipe = tiny_recipe.replace(precision=precision)
        return train([images[i] for i in ids], [masks[i] for i in ids], classes=2, recipe=recipe, seed=3)

    return trained("float32"), trained("bfloat16")


def test_mixed_precision_trains_the_same_network_within_its_rounding(
    pair: tuple[TrainedModel, TrainedModel],
) -> None:
    """Passes run in bfloat16 (8 bits of mantissa), weights and losses stay float32;
    masks of unseen images agree."""
    full, mixed = pair
    assert [model.record["machine"]["precision"] for model in pair] == ["float32", "bfloat16"]
    assert {parameter.dtype for parameter in mixed.network.parameters()} == {torch.float32}
    weights = [torch.cat([p.flatten() for p in model.network.parameters()]) for model in pair]
    assert not torch.equal(*weights)
    for seed in (100, 101, 103):
        image, mask = blobs(seed)
        assert dice(predict_mask(full, image), predict_mask(mixed, image), 2) > 0.9
        assert dice(predict_mask(mixed, image), mask, 2) > 0.8


def test_inference_in_mixed_precision_agrees_with_the_same_weights_in_float32(
    pair: tuple[TrainedModel, TrainedModel],
) -> None:
    full, _ = pair
    mixed = TrainedModel(full.network, 2, full.recipe.replace(precision="bfloat16"))
    image = blobs(100)[0]
    exact, rounded = predict_probabilities(full, image), predict_probabilities(mixed, image)
    assert rounded.dtype == np.float32
    assert 0 < np.abs(exact - rounded).max() < 0.1
    np.testing.assert_allclose(rounded.sum(axis=0), 1.0, atol=1e-4)
    np.testing.assert_allclose(
        extract_features(mixed, image), extract_features(full, image), rtol=0.1, atol=0.02
    )


@pytest.mark.parametrize("has_it", [True, False])
def test_a_gpu_uses_bfloat16_where_its_hardware_has_it(has_it: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def supported(*, including_emulation: bool) -> bool:
        asked.append(including_emulation)
        return has_it

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    gpu = torch.device("cuda")
    assert number_format(gpu, "auto") == ("bfloat16" if has_it else "float32")
    assert number_format(gpu, "float32") == "float32"
    assert asked == [False]  # emulated is slower than float32
    assert (default_width(gpu), default_width(torch.device("cpu"))) == (64, 16)


def test_what_a_run_depends_on_is_described() -> None:
    said = describe(torch.device("cpu"), "float32")
    assert said == {"device": "cpu", "threads": torch.get_num_threads(), "precision": "float32"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_is_used_by_itself_in_mixed_precision(discs: tuple[Images, Masks], tiny_recipe: Recipe) -> None:
    images, masks = discs
    model = train([images["00.png"]], [masks["00.png"]], classes=2, recipe=tiny_recipe, seed=0)
    assert model.device.type == default_device().type == "cuda"
    assert model.record["machine"]["precision"] == number_format(model.device, "auto")
    image, mask = blobs(100)
    assert dice(predict_mask(model, image), mask, 2) > 0.6
