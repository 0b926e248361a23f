"""The network: a classical U-Net, or the U-Net that segmentation_models_pytorch makes of any encoder that it knows.

The classical one is that of Ronneberger et al. (2015), double 3x3 convolutions and 2x2 max pooling, with batch normalisation as in
Grüning et al. (2020), section III, and upsampling in place of learned up-convolutions. It is written here, with the names and first
weights of the library's, because importing the library takes longer than everything else that a program here does at its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from model.errors import RecipeError

CLASSICAL = "unet"


class _Encoder(nn.Module):
    """The contracting path: features at strides 1, 2, 4, ... with w, 2w, 4w, ... channels."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        inputs = (3, *channels)
        self.stages = nn.ModuleList(
            nn.Sequential(*_convolution(inputs[level], inputs[level + 1]), *_convolution(inputs[level + 1], inputs[level + 1]))
            for level in range(len(channels))
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Float (B, 3, H, W) -> one feature a stage."""
        features: list[torch.Tensor] = []
        for stage in self.stages:
            x = stage(nn.functional.max_pool2d(x, 2) if features else x)
            features.append(x)
        return features


class _DecoderBlock(nn.Module):
    """Upsampled to the size of the encoder's feature there, joined with it, and convolved twice."""

    def __init__(self, below: int, skipped: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(*_convolution(below + skipped, outputs))
        self.conv2 = nn.Sequential(*_convolution(outputs, outputs))

    def forward(self, x: torch.Tensor, skipped: torch.Tensor) -> torch.Tensor:
        x = nn.functional.interpolate(x, size=skipped.shape[2:], mode="nearest")
        x = self.conv2(self.conv1(torch.cat([x, skipped], dim=1)))
        return x


class _Decoder(nn.Module):
    """The expanding path: from the deepest feature back to full resolution."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        upwards = channels[::-1]
        self.blocks = nn.ModuleList(_DecoderBlock(below, skipped, skipped) for below, skipped in pairwise(upwards))

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        x = features[-1]
        for block, skipped in zip(self.blocks, features[-2::-1], strict=True):
            x = block(x, skipped)
        return x


class ClassicalUNet(nn.Module):
    """Float (B, 3, H, W) -> logits (B, classes, H, W). `width` channels at full resolution, doubled at each of `depth` poolings."""

    def __init__(self, classes: int, width: int, depth: int) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(depth + 1)]
        self.encoder = _Encoder(channels)
        self.decoder = _Decoder(channels)
        # The library's decoder has one more block, which was drawn and left out: the same seed still gives the same first weights.
        left_out = _DecoderBlock(width, 0, width)
        head = nn.Conv2d(width, classes, 3, padding=1)
        self.segmentation_head = nn.Sequential(head)
        for convolution in [*_convolutions(self.decoder), *_convolutions(left_out)]:
            nn.init.kaiming_uniform_(convolution.weight, nonlinearity="relu")
        nn.init.xavier_uniform_(head.weight)
        assert head.bias is not None
        nn.init.zeros_(head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.segmentation_head(self.decoder(self.encoder(x)))
        return logits


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


def _convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]


def build_network(encoder: str, classes: int, *, width: int, depth: int, weights: str | None = None) -> nn.Module:
    """An untrained network: float (B, 3, H, W) -> logits (B, classes, H, W), for any H, W of at least 2**depth.

    `encoder` is "unet" (the classical one; `width` channels at full resolution, doubled at each of `depth` poolings) or the name of any
    encoder of segmentation_models_pytorch (`width` is then ignored, `depth` at most 5); `weights` names its pretrained weights.
    Raises RecipeError for an unknown encoder or weights that cannot be had.
    """
    if encoder == CLASSICAL:
        if weights is not None:
            raise RecipeError(
                f"encoder_weights={weights!r}: the classical U-Net has no pretrained weights; "
                "leave the setting empty, or choose an encoder such as 'resnet18'."
            )
        return ClassicalUNet(classes, width, depth)
    import segmentation_models_pytorch as smp  # here, as it takes seconds: with torchvision, timm and torch's compiler

    try:
        network = smp.Unet(
            encoder, encoder_depth=depth, encoder_weights=weights, decoder_channels=(256, 128, 64, 32, 16)[-depth:], classes=classes
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
    except Exception as error:  # timm's encoders raise anything for a name it does not know, or that is no pyramid of features
        raise RecipeError(
            f"Encoder {encoder!r} with weights {weights!r} and depth {depth} is not known or cannot be used: {str(error)[:300]}. "
            "Use 'unet', or a name that segmentation_models_pytorch lists."
        ) from error


def memory_format(encoder: str, device: torch.device) -> torch.memory_format:
    """The order of pixels and channels in memory that is fastest there: channels last, as far as it is safe.

    On a CPU in float32 some encoders of the library (mobileone_s0) end the process in channels-last order.
    """
    return torch.channels_last if encoder == CLASSICAL or device.type == "cuda" else torch.contiguous_format
