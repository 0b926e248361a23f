"""The first levels of a network that knows everyday photographs (EfficientNet-Lite0, ImageNet): texture and
small shapes around a pixel.

Its weights come with a package, so nothing is fetched while the program runs.
"""

from __future__ import annotations

import logging
from functools import cache

import torch
from torch import nn
from torch.nn.functional import interpolate, pad

from model.network.device import autocast
from model.network.packaged_encoder import PACKAGE, read_weights
from model.pixels.efficientnet_lite import build_blocks

log = logging.getLogger(__name__)

LEVELS = ((0,), (1,), (2,), (3, 4))
"""The blocks of the network that lead to each level, after those of the level before."""
CHANNELS = (16, 24, 40, 112)
"""Values of each level."""
SCALE = 2
"""The network sees the image at this multiple of its size: its first level is as fine as the image."""
GRID = 8
"""Pixels: sides are padded, and tiles begin, at a multiple, so that each level has whole strides there."""
MARGIN = 104
"""Pixels around a tile that its features depend on."""
FINE = 2  # levels computed in bands of rows: their inner values are too many for a processor's cache
BAND, BAND_MARGIN = (
    256,
    16,
)  # rows of the enlarged image, and those around them that the fine levels depend on


@cache
def load_encoder() -> nn.ModuleList | None:
    """The stages of the encoder, one for each level, in evaluation mode.

    None, with a line in the log, where the package of its weights is missing or damaged.
    """
    try:
        return _build(read_weights())
    except FileNotFoundError:
        log.warning(
            "The package of pretrained weights (%s) is not installed: pixels are told apart by filters alone,"
            " less well. Install what requirements.txt lists.",
            PACKAGE.replace("_", "-"),
        )
    except (OSError, RuntimeError, ValueError) as error:
        log.warning(
            "The pretrained weights are damaged (%s): pixels are told apart by filters alone, less well."
            " Install the package %s again.",
            str(error)[:200],
            PACKAGE.replace("_", "-"),
        )
    return None


def _build(weights: dict[str, torch.Tensor]) -> nn.ModuleList:
    """The stages, one for each level."""
    blocks = build_blocks(weights.values())
    stages = [nn.Sequential(*(blocks[block] for block in level)) for level in LEVELS]
    return nn.ModuleList(stages).to(memory_format=torch.channels_last)


def encode(stages: nn.ModuleList, image: torch.Tensor, precision: str) -> list[torch.Tensor]:
    """The levels of an image, float32 (3, H, W) -> float32 (channels, h, w) each, which cover the image with
    sides padded to multiples of GRID: level k has a value at every `2 ** (k + 1) / SCALE` pixels."""
    height, width = image.shape[1:]
    square = pad(image[None], (0, -width % GRID, 0, -height % GRID), mode="replicate")
    small = square.contiguous(memory_format=torch.channels_last)
    large = interpolate(small, scale_factor=SCALE, mode="bilinear", align_corners=False)
    with autocast(image.device, precision):
        levels = _in_bands(stages[:FINE], large)
        for stage in stages[FINE:]:
            levels.append(stage(levels[-1]))
    return [level[0].float() for level in levels]


def _in_bands(stages: nn.ModuleList, image: torch.Tensor) -> list[torch.Tensor]:
    """The levels of the first stages, computed for a few rows of the (1, 3, H, W) image at a time."""
    bands: list[list[torch.Tensor]] = [[] for _ in stages]
    for top in range(0, image.shape[2], BAND):
        first = max(0, top - BAND_MARGIN)
        values = image[:, :, first : top + BAND + BAND_MARGIN]
        for number, (stage, found) in enumerate(zip(stages, bands, strict=True)):
            values = stage(values)
            stride = 2 ** (number + 1)
            found.append(values[:, :, (top - first) // stride : (top - first + BAND) // stride])
    return [torch.cat(found, dim=2) for found in bands]
