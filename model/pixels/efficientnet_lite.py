"""The first blocks of EfficientNet-Lite0 (Tan and Le, 2019), for inference: batch normalisation is worked
into the convolution before it, which is the same function in two thirds of the time.

They are written here, as the library that has them, timm, takes longer to load than a small round takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import nn
from torch.nn.functional import conv2d, pad
from torch.nn.utils.fusion import fuse_conv_bn_weights

STEM = 32
"""Channels of the first convolution."""
BLOCKS = ((1, 1, 3, 1, 16), (2, 6, 3, 2, 24), (2, 6, 5, 2, 40), (3, 6, 3, 2, 80), (3, 6, 5, 1, 112))
"""Of each block: residuals, expansion of their channels, side of their kernels, stride of the first, and
channels."""
NORM_EPSILON = 1e-3


def build_blocks(weights: Iterable[torch.Tensor]) -> list[nn.Sequential]:
    """The blocks, the first with the stem before it, in evaluation mode: float (B, C, H, W) -> (B, C', h, w),
    for sides that each stride divides.

    `weights` come in the network's order, for each convolution its own and those of its normalisation: scale,
    shift, mean, variance, count. Raises ValueError if they are not those of this network.
    """
    given = iter(weights)
    blocks = []
    inputs = STEM
    stem = _Convolution(given, 3, STEM, 3, stride=2)
    for count, expansion, side, stride, outputs in BLOCKS:
        residuals = []
        for number in range(count):
            residuals.append(_Residual(given, inputs, outputs, expansion, side, 1 if number else stride))
            inputs = outputs
        blocks.append(nn.Sequential(*residuals))
    blocks[0].insert(0, stem)
    return [block.eval().requires_grad_(False) for block in blocks]


class _Residual(nn.Module):
    """Channels are expanded, each is convolved by itself, and they are put together to fewer."""

    def __init__(
        self,
        weights: Iterator[torch.Tensor],
        inputs: int,
        outputs: int,
        expansion: int,
        side: int,
        stride: int,
    ) -> None:
        super().__init__()
        inner = inputs * expansion
        layers = [_Convolution(weights, inputs, inner, 1)] if expansion > 1 else []
        layers.append(_Convolution(weights, inner, inner, side, stride=stride, groups=inner))
        layers.append(_Convolution(weights, inner, outputs, 1, activate=False))
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(x)
        return found + x if self.adds else found


class _Convolution(nn.Module):
    """A convolution with its normalisation, and ReLU6 unless told otherwise.

    At a stride the sides are padded as TensorFlow does, in which the weights were trained: less before than
    after. That is the same padding on all sides under a kernel with one more row and column, of zeros, before
    its own: padding an image unevenly means copying it, which takes longer."""

    def __init__(
        self,
        weights: Iterator[torch.Tensor],
        inputs: int,
        outputs: int,
        side: int,
        *,
        stride: int = 1,
        groups: int = 1,
        activate: bool = True,
    ) -> None:
        super().__init__()
        shape = (outputs, inputs // groups, side, side)
        weight = _next(weights, shape)
        scale, shift, mean, variance = (_next(weights, (outputs,)) for _ in range(4))
        _next(weights, ())
        fused = fuse_conv_bn_weights(weight, None, mean, variance, NORM_EPSILON, scale, shift)
        self.weight, self.bias = fused
        self.stride, self.groups, self.activate = stride, groups, activate
        self.padding, uneven = divmod(side - stride, 2)
        if uneven:
            self.weight, self.padding = nn.Parameter(pad(self.weight, (1, 0, 1, 0))), self.padding + 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = conv2d(x, self.weight, self.bias, self.stride, self.padding, groups=self.groups)
        return nn.functional.relu6(found, inplace=True) if self.activate else found


def _next(weights: Iterator[torch.Tensor], shape: tuple[int, ...]) -> torch.Tensor:
    found = next(weights, None)
    if found is None or found.shape != shape:
        raise ValueError(
            f"tensors that are not those of EfficientNet-Lite0: found"
            f" {'none' if found is None else tuple(found.shape)} where one of {shape} belongs"
        )
    return found
