"""Features of pixels: the filter bank, and the first levels of a pretrained network where its weights are at
hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from model.arrays import Image
from model.network.device import default_device, number_format
from model.pixels import filter_bank, pretrained

FORMAT = 1  # raised when the features of the same image become others
TILE = 512
"""Pixels; larger images are worked on in tiles of this side: memory is bounded whatever their size."""
MARGIN = -(-max(filter_bank.MARGIN, pretrained.MARGIN) // pretrained.STRIDE) * pretrained.STRIDE


@dataclass(frozen=True)
class Block:
    """The features of a rectangle of an image, float32 (channels, height, width), whose first pixel is at
    `top`, `left`."""

    top: int
    left: int
    values: torch.Tensor


@dataclass(frozen=True)
class FeatureExtractor:
    """What tells the pixels of an image apart. `precision` as in a recipe."""

    precision: str = "auto"
    use_pretrained: bool = True

    @cached_property
    def _encoder(self) -> nn.Module | None:
        encoder = pretrained.load_encoder() if self.use_pretrained else None
        return None if encoder is None else encoder.to(self.device)

    @cached_property
    def device(self) -> torch.device:
        """Where features are computed."""
        return default_device()

    @property
    def channels(self) -> int:
        """Values a pixel: 99, or 19 without the pretrained network."""
        return filter_bank.CHANNELS + (pretrained.CHANNELS if self._encoder is not None else 0)

    @property
    def version(self) -> str:
        """Features of another version are not comparable with these."""
        if self._encoder is None:
            return f"{FORMAT}-filters"
        return f"{FORMAT}-{pretrained.ARCHITECTURE}-{number_format(self.device, self.precision)}"

    def compute(self, image: Image) -> Iterator[Block]:
        """The features of a float32 (H, W, 3) image in blocks that cover it once."""
        height, width = image.shape[:2]
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                first_row, first_column = max(0, top - MARGIN), max(0, left - MARGIN)
                part = image[first_row : top + TILE + MARGIN, first_column : left + TILE + MARGIN]
                values = self._of_tile(torch.tensor(part.transpose(2, 0, 1), device=self.device))
                rows, columns = min(TILE, height - top), min(TILE, width - left)
                down, right = top - first_row, left - first_column
                yield Block(top, left, values[:, down : down + rows, right : right + columns])

    def _of_tile(self, tile: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            found = filter_bank.filter_image(tile)
            if self._encoder is None:
                return found
            return torch.cat([found, pretrained.encode(self._encoder, tile, self.precision)])
