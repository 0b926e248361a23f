"""The forward pass of a trained network: normalised images to class probabilities, large ones in tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import pad

from model.arrays import Image
from model.network.device import autocast
from model.network.unet import memory_format

if TYPE_CHECKING:
    from model.network.checkpoint import TrainedModel

# pixels; larger images are predicted in tiles of this side:
# with their overlap 2 cover 2048, 3 cover 3072, 4 cover 4096
TILE = 1120
FLIPS = ((2,), (3,), (2, 3))
"""Dimensions of a batch that are turned round: rows, columns, and both."""
OVERLAP = 128  # pixels shared by neighbouring tiles, where the predictions fade into each other


def forward(model: TrainedModel, images: Sequence[Image], tile: int = TILE) -> torch.Tensor:
    """Class probabilities of float32 (H, W, 3) images of one size: float32 (B, classes, H, W).

    Images with a side above `tile` pixels are predicted in overlapping tiles that fade into each other.
    """
    with torch.inference_mode():
        batch = to_batch(images, model)
        return _forward(model, batch) if max(batch.shape[2:]) <= tile else _forward_tiled(model, batch, tile)


def to_batch(images: Sequence[Image], model: TrainedModel) -> torch.Tensor:
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)  # a view in channels-last order
    return batch.to(model.device, memory_format=memory_format(model.recipe.encoder, model.device))


def stride_of(model: TrainedModel) -> int:
    """Heights and widths that a network takes are multiples of this many pixels."""
    return int(2 ** max(model.recipe.depth, 5))


def padded(batch: torch.Tensor, model: TrainedModel) -> torch.Tensor:
    """The batch with its lower and right edge repeated up to a multiple of the deepest stride, which every
    encoder can take."""
    stride = stride_of(model)
    height, width = batch.shape[2:]
    return pad(batch, (0, -width % stride, 0, -height % stride), mode="replicate")


def mean_of_flips(predict: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor) -> torch.Tensor:
    """The mean of what `predict` makes of a batch (B, 3, H, W) as it is, upside down, mirrored, and both,
    each turned back."""
    total = predict(batch)
    for turned in FLIPS:
        total = total + predict(batch.flip(turned)).flip(turned)
    return total / (1 + len(FLIPS))


def _forward(model: TrainedModel, batch: torch.Tensor) -> torch.Tensor:
    once = partial(_forward_once, model)
    return mean_of_flips(once, batch) if model.recipe.flips else once(batch)


def _forward_once(model: TrainedModel, batch: torch.Tensor) -> torch.Tensor:
    height, width = batch.shape[2:]
    with autocast(model.device, model.recipe.precision):
        logits = model.network(padded(batch, model))
    return logits.float().softmax(dim=1)[:, :, :height, :width]


def _forward_tiled(model: TrainedModel, batch: torch.Tensor, tile: int) -> torch.Tensor:
    height, width = batch.shape[2:]
    total = torch.zeros((len(batch), model.classes, height, width), device=batch.device)
    weights = torch.zeros((1, 1, height, width), device=batch.device)
    for top in tile_starts(height, tile):
        for left in tile_starts(width, tile):
            part = batch[:, :, top : top + tile, left : left + tile]
            weight = _fade(part.shape[2], batch.device)[:, None] * _fade(part.shape[3], batch.device)[None, :]
            total[:, :, top : top + tile, left : left + tile] += _forward(model, part) * weight
            weights[:, :, top : top + tile, left : left + tile] += weight
    return total / weights


def tile_starts(length: int, tile: int) -> list[int]:
    """First pixels of tiles that cover `length`, the last one flush with the end."""
    if length <= tile:
        return [0]
    overlap = min(OVERLAP, tile // 4)
    count = -(-(length - overlap) // (tile - overlap))
    return [round(start) for start in np.linspace(0, length - tile, count)]


def _fade(length: int, device: torch.device) -> torch.Tensor:
    """Weights (length,) that rise from an edge to 1 over the overlap, never 0."""
    distance = torch.arange(1, length + 1, device=device)
    return (torch.minimum(distance, distance.flip(0)) / OVERLAP).clamp(max=1.0)
