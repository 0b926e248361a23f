"""The classical U-Net of Ronneberger et al. (2015): double 3x3 convolutions and 2x2 max pooling, with batch
normalisation as in Grüning et al. (2020), section III, and upsampling in place of learned up-convolutions.

It was an encoder of segmentation_models_pytorch, and keeps the names and the first weights that it had there:
weights of that time are read, and a seed gives what it gave.
It is written here, as that library takes longer to load than all else that a program here does at its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool2d


class ClassicalUNet(nn.Module):
    """Float (B, 3, H, W) -> logits (B, classes, H, W), for any H, W of at least `2 ** depth`;
    `width` channels at full resolution, doubled at each of `depth` poolings."""

    def __init__(self, classes: int, width: int, depth: int) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(depth + 1)]
        self.encoder = _Encoder(channels)
        self.decoder = _Decoder(channels)
        unused = _DecoderBlock(width, 0, width)  # the library drew one more: later weights come after its own
        head = nn.Conv2d(width, classes, 3, padding=1)
        self.segmentation_head = nn.Sequential(head)
        for part in [*self.decoder.modules(), *unused.modules()]:
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_uniform_(part.weight, nonlinearity="relu")
        nn.init.xavier_uniform_(head.weight)
        assert head.bias is not None, "as torch makes it"
        nn.init.zeros_(head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float (B, 3, H, W) -> logits (B, classes, H, W)."""
        logits: torch.Tensor = self.segmentation_head(self.decoder(self.encoder(x)))
        return logits


class _Encoder(nn.Module):
    """The contracting path: features at strides 1, 2, 4, ... with w, 2w, 4w, ... channels."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(*_convolution(inputs, outputs), *_convolution(outputs, outputs))
            for inputs, outputs in pairwise([3, *channels])
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        features: list[torch.Tensor] = []
        for stage in self.stages:
            x = stage(max_pool2d(x, 2) if features else x)
            features.append(x)
        return features


class _Decoder(nn.Module):
    """The expanding path, from the deepest feature back to full resolution."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            _DecoderBlock(below, outputs, outputs) for below, outputs in pairwise(reversed(channels))
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        x = features[-1]
        for block, skipped in zip(self.blocks, features[-2::-1], strict=True):
            x = block(x, skipped)
        return x


class _DecoderBlock(nn.Module):
    """Upsampled to the size of the encoder's feature there, joined with it, and convolved twice."""

    def __init__(self, below: int, skipped: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(*_convolution(below + skipped, outputs))
        self.conv2 = nn.Sequential(*_convolution(outputs, outputs))

    def forward(self, x: torch.Tensor, skipped: torch.Tensor) -> torch.Tensor:
        x = interpolate(x, size=skipped.shape[2:], mode="nearest")
        convolved: torch.Tensor = self.conv2(self.conv1(torch.cat([x, skipped], dim=1)))
        return convolved


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
