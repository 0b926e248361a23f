"""The networks."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.errors import RecipeError
from model.network import packaged_encoder
from model.network.inference import predict_mask
from model.network.recipe import Recipe
from model.network.training import train
from model.network.unet import build_network, memory_format
from tests.model.conftest import blobs


def parameter_count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("size", [(32, 32), (33, 57), (48, 96)])
def test_the_classical_network_gives_logits_at_the_size_of_its_input(size: tuple[int, int]) -> None:
    network = build_network("unet", 3, width=4, depth=4).eval()
    assert network(torch.zeros(2, 3, *size)).shape == (2, 3, *size)


def test_full_resolution_features_reach_the_decoder_by_a_skip() -> None:
    weights = build_network("unet", 2, width=4, depth=3).state_dict()["decoder.blocks.2.conv1.0.weight"]
    assert weights.shape[:2] == (4, 8 + 4)  # upsampled from below, and the first double convolution's output


def test_the_classical_width_has_the_parameters_of_the_u_net() -> None:
    # Ronneberger et al.: 31.0 M with learned up-convolutions, which halve the channels;
    # here they are upsampled and concatenated.
    assert 28e6 < parameter_count(build_network("unet", 2, width=64, depth=4)) < 36e6


def test_width_and_depth_are_settings() -> None:
    counts = [
        parameter_count(build_network("unet", 2, width=w, depth=d)) for w, d in [(4, 2), (8, 2), (8, 4)]
    ]
    assert counts == sorted(counts)
    assert len(set(counts)) == 3


def test_every_network_has_batch_normalisation() -> None:
    network = build_network("unet", 2, width=4, depth=2)
    convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in network.modules())
    normalisations = sum(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    assert normalisations == convolutions - 1  # all but the head


def test_weights_and_seeds_of_earlier_editions_give_what_they_gave() -> None:
    """Recorded when the decoder was that of segmentation_models_pytorch:
    weights, batch statistics, and what came out."""
    recorded = load_file(Path(__file__).resolve().parents[2] / "recorded" / "unet.safetensors")
    image, logits = recorded.pop("image"), recorded.pop("logits")
    torch.manual_seed(0)
    network = build_network("unet", 3, width=2, depth=3).eval()
    for name, weights in network.named_parameters():
        torch.testing.assert_close(weights, recorded[f"network.{name}"])
    network.load_state_dict({name.removeprefix("network."): weights for name, weights in recorded.items()})
    torch.testing.assert_close(network(image), logits, atol=1e-3, rtol=1e-3)


def test_an_encoder_of_the_library_by_name() -> None:
    network = build_network("resnet18", 2, width=4, depth=3).eval()
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 2, 64, 64)


@pytest.mark.parametrize(
    "encoder",
    ["resnet_of_dreams", "tu-nonsense", "tu-vit_tiny_patch16_224", "tu-swin_tiny_patch4_window7_224"],
)
def test_an_encoder_that_is_not_known_or_cannot_be_used_is_named(encoder: str) -> None:
    with pytest.raises(RecipeError, match=encoder):
        build_network(encoder, 2, width=4, depth=3)


def test_other_encoders_are_not_in_channels_last_order_on_a_cpu() -> None:
    """Where mobileone_s0 in float32 ended the process."""
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert memory_format("unet", cpu) == memory_format("mobileone_s0", gpu) == torch.channels_last
    assert memory_format("mobileone_s0", cpu) == torch.contiguous_format


def test_mobileone_is_trained_and_predicts_in_float32() -> None:
    image, mask = blobs(0)
    recipe = Recipe(
        encoder="mobileone_s0", depth=2, max_side=48, crop=32, batch=2, steps=2, precision="float32"
    )
    model = train([image], [mask], classes=2, recipe=recipe, seed=0, device=torch.device("cpu"))
    assert predict_mask(model, image).shape == (48, 48)


def test_pretrained_weights_of_the_classical_network_do_not_exist() -> None:
    with pytest.raises(RecipeError, match="no pretrained weights"):
        build_network("unet", 2, width=4, depth=3, weights="imagenet")


def test_the_installed_encoder_begins_with_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its decoder has the recipe's width; without the package a training says what to do."""
    network = build_network("efficientnet-lite0", 3, width=8, depth=3, weights="imagenet").eval()
    assert network(torch.zeros(1, 3, 64, 32)).shape == (1, 3, 64, 32)
    assert network.state_dict()["decoder.blocks.2.conv2.0.weight"].shape[0] == 8
    stem = packaged_encoder.read_weights()["_conv_stem.weight"]
    assert torch.equal(network.state_dict()["encoder.conv_stem.weight"], stem)
    monkeypatch.setattr(packaged_encoder, "PACKAGE", "no_such_package")
    image, mask = blobs(0)
    recipe = Recipe(encoder="efficientnet-lite0", depth=2, crop=32, steps=1)
    with pytest.raises(RecipeError, match=r"no-such-package .* requirements.txt"):
        train([image], [mask], classes=2, recipe=recipe, seed=0)
    build_network("efficientnet-lite0", 2, width=4, depth=2)  # to load weights into, it is not needed
