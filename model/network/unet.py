"""The network:
a classical U-Net, one with a pretrained encoder that is installed, or the U-Net that
segmentation_models_pytorch makes of any encoder that it knows."""

from __future__ import annotations

import torch
from torch import nn

from model.errors import RecipeError
from model.network import packaged_encoder
from model.network.classical_unet import ClassicalUNet
from model.network.recipe import CLASSICAL, PACKAGED, PACKAGED_WEIGHTS


def build_network(
    encoder: str, classes: int, *, width: int, depth: int, weights: str | None = None
) -> nn.Module:
    """An untrained network:
    float (B, 3, H, W) -> logits (B, classes, H, W), for any H, W of at least 2**depth.

    `encoder` is "unet" (the classical one;
    `width` channels at full resolution, doubled at each of `depth` poolings), "efficientnet-lite0" (so is
    its decoder; `depth` at most 5) or the name of any encoder of segmentation_models_pytorch (`width` is
    then ignored, `depth` at most 5);
    `weights` names its pretrained weights.
    Raises RecipeError for an unknown encoder or weights that cannot be had.
    """
    if encoder == CLASSICAL:
        if weights is not None:
            raise RecipeError(
                f"encoder_weights={weights!r}: the classical U-Net has no pretrained weights; "
                "leave the setting empty, or choose an encoder such as 'resnet18'."
            )
        return ClassicalUNet(classes, width, depth)
    if encoder == PACKAGED:
        return _build_packaged(classes, width, depth, weights)
    return _build_of_library(encoder, classes, depth, weights)


def _build_packaged(classes: int, width: int, depth: int, weights: str | None) -> nn.Module:
    import segmentation_models_pytorch as smp  # takes seconds, with torchvision, timm and torch's compiler

    if weights not in (PACKAGED_WEIGHTS, None):
        raise RecipeError(
            f"encoder_weights={weights!r}: the encoder {PACKAGED} comes with those of"
            f" {PACKAGED_WEIGHTS}; leave the setting empty."
        )
    network: nn.Module = smp.Unet(
        f"timm-{packaged_encoder.ARCHITECTURE}",
        encoder_depth=depth,
        encoder_weights=None,
        decoder_channels=[width * 2**level for level in reversed(range(depth))],
        classes=classes,
    )
    if weights is not None:
        packaged_encoder.load_weights(network.get_submodule("encoder"))
    return network


def _build_of_library(encoder: str, classes: int, depth: int, weights: str | None) -> nn.Module:
    import segmentation_models_pytorch as smp

    try:
        network = smp.Unet(
            encoder,
            encoder_depth=depth,
            encoder_weights=weights,
            decoder_channels=(256, 128, 64, 32, 16)[-depth:],
            classes=classes,
        )
        with torch.no_grad():  # some of timm's take images of one size only, and say so only now
            network.eval()(torch.zeros(1, 3, 64, 64))
        return network.train()
    except OSError as error:  # the hub's own errors (no network, file not found) all derive from it
        raise RecipeError(
            f"The weights {weights!r} of encoder {encoder!r} could not be fetched ({error}). "
            "Without internet access leave encoder_weights empty."
        ) from error
    except MemoryError:
        raise
    # timm's encoders raise anything for a name it does not know, or that is no pyramid of features
    except Exception as error:
        raise RecipeError(
            f"Encoder {encoder!r} with weights {weights!r} and depth {depth} is not known or cannot be used:"
            f" {str(error)[:300]}. Use 'unet', or a name that segmentation_models_pytorch lists."
        ) from error


def memory_format(encoder: str, device: torch.device) -> torch.memory_format:
    """The order of pixels and channels in memory that is fastest there: channels last, as far as it is safe.

    On a CPU in float32 some encoders of the library (mobileone_s0) end the process in channels-last order.
    """
    safe = encoder in (CLASSICAL, PACKAGED)
    return torch.channels_last if safe or device.type == "cuda" else torch.contiguous_format
