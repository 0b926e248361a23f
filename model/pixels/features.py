"""Features of pixels: the filter bank, and the first levels of a pretrained network where its weights are at
hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import grid_sample, interpolate

from model.arrays import Image
from model.network import packaged_encoder
from model.network.device import default_device, number_format
from model.pixels import filter_bank, pretrained

FORMAT = 2  # raised when the features of the same image become others
TILE = 512
"""Pixels; larger images are worked on in tiles of this side: memory is bounded whatever their size."""
STRIP = 16 * TILE  # pixels in rows that are worked on together
MARGIN = -(-max(filter_bank.MARGIN, pretrained.MARGIN) // pretrained.GRID) * pretrained.GRID


def feature_weights(channels: int) -> npt.NDArray[np.float32]:
    """How much each standardised feature counts for a learner, float32 (channels,):
    the many of the deepest level a quarter, or few images are learnt by heart."""
    weights = np.ones(channels, dtype=np.float32)
    if channels > filter_bank.CHANNELS:
        weights[-pretrained.CHANNELS[-1] :] = 0.25
    return weights


@dataclass(frozen=True)
class Level:
    """Features at every `stride`-th pixel of a tile: float32 (channels, h, w).
    In between they are interpolated bilinearly."""

    values: torch.Tensor
    stride: float

    def at(self, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """Of some pixels of the tile, int64 (P,) each: float32 (channels, P)."""
        if self.stride == 1:
            return self.values[:, rows, columns]
        height, width = (side * self.stride for side in self.values.shape[1:])
        places = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=1)
        found = grid_sample(self.values[None], places[None, None], padding_mode="border", align_corners=False)
        return found[0, :, 0]

    def rows(self, first: int, end: int, weights: torch.Tensor) -> torch.Tensor:
        """A linear map (channels, n) of the features of rows `first` to `end` of the tile:
        float32 (rows, width, n)."""
        if self.stride == 1:
            return torch.tensordot(self.values[:, first:end], weights, ([0], [0]))
        height, width = self.values.shape[1:]
        wanted = torch.arange(first, end, device=self.values.device)
        place = ((wanted + 0.5) / self.stride - 0.5).clamp(min=0)
        above = place.long().clamp(max=height - 1)
        below = (above + 1).clamp(max=height - 1)
        found = torch.lerp(self.values[:, above], self.values[:, below], (place - above)[None, :, None])
        # Interpolation is linear, too: it comes last, where it has the least to do.
        mapped = torch.tensordot(found, weights, ([0], [0]))[None].permute(0, 3, 1, 2)
        size = (end - first, round(width * self.stride))
        whole = interpolate(mapped, size=size, mode="bilinear", align_corners=False)
        return whole.permute(0, 2, 3, 1)[0]


@dataclass(frozen=True)
class Block:
    """The features of a rectangle of an image: its first pixel and its size, and the levels of a tile around
    it, in which it begins at `down`, `right`."""

    top: int
    left: int
    height: int
    width: int
    down: int
    right: int
    levels: tuple[Level, ...]

    def at(self, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """Of some pixels, int64 (P,) each, counted in the image: float32 (P, channels)."""
        rows, columns = rows - self.top + self.down, columns - self.left + self.right
        return torch.cat([level.at(rows, columns) for level in self.levels]).T

    def strips(self, weights: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """A linear map (channels, n) of the features of all its pixels, in strips of rows, few enough for a
        processor's cache: the first row, counted in the image, and float32 (rows, width, n)."""
        columns = slice(self.right, self.right + self.width)
        parts = weights.split([len(level.values) for level in self.levels])
        count = max(1, STRIP // self.width)
        for first in range(0, self.height, count):
            rows = self.down + first, self.down + min(first + count, self.height)
            mapped = [
                level.rows(*rows, part)[:, columns] for level, part in zip(self.levels, parts, strict=True)
            ]
            yield self.top + first, sum(mapped[1:], start=mapped[0])

    def moments(self) -> torch.Tensor:
        """Count, sum and sum of squares of each feature's values: float64 (3, channels)."""
        found = []
        for level in self.levels:
            first_row, first_column = round(self.down / level.stride), round(self.right / level.stride)
            end_row = first_row + math.ceil(self.height / level.stride)
            own = level.values[
                :, first_row:end_row, first_column : first_column + math.ceil(self.width / level.stride)
            ].flatten(1)
            count = torch.full((len(own),), own.shape[1])
            found.append(torch.stack([count.to(own), own.sum(dim=1), own.square().sum(dim=1)]).double())
        return torch.cat(found, dim=1)


@dataclass(frozen=True)
class FeatureExtractor:
    """What tells the pixels of an image apart. `precision` as in a recipe."""

    precision: str = "auto"
    use_pretrained: bool = True

    @cached_property
    def _encoder(self) -> nn.ModuleList | None:
        encoder = pretrained.load_encoder() if self.use_pretrained else None
        return None if encoder is None else encoder.to(self.device)

    @cached_property
    def device(self) -> torch.device:
        """Where features are computed."""
        return default_device()

    @property
    def channels(self) -> int:
        """Values a pixel: 211, or 19 without the pretrained network."""
        return filter_bank.CHANNELS + (sum(pretrained.CHANNELS) if self._encoder is not None else 0)

    @property
    def version(self) -> str:
        """Features of another version are not the same numbers as these."""
        return f"{self.kind}-{number_format(self.device, self.precision)}"

    @property
    def kind(self) -> str:
        """What learned from features of one kind understands those of the same: their meaning, but not the
        number format that they were computed in."""
        return f"{FORMAT}-{'filters' if self._encoder is None else packaged_encoder.ARCHITECTURE}"

    def compute(self, image: Image) -> Iterator[Block]:
        """The features of a float32 (H, W, 3) image in blocks that cover it once."""
        height, width = image.shape[:2]
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                first_row, first_column = max(0, top - MARGIN), max(0, left - MARGIN)
                tile = image[first_row : top + TILE + MARGIN, first_column : left + TILE + MARGIN]
                yield Block(
                    top,
                    left,
                    min(TILE, height - top),
                    min(TILE, width - left),
                    top - first_row,
                    left - first_column,
                    self._levels_of(torch.tensor(tile.transpose(2, 0, 1), device=self.device)),
                )

    def _levels_of(self, tile: torch.Tensor) -> tuple[Level, ...]:
        with torch.inference_mode():
            filters = Level(filter_bank.filter_image(tile), 1)
            if self._encoder is None:
                return (filters,)
            found = pretrained.encode(self._encoder, tile, self.precision)
            return filters, *(
                Level(values, 2 ** (number + 1) / pretrained.SCALE) for number, values in enumerate(found)
            )
