"""The features of all pixels of some images, kept in memory for those who predict them again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

import torch

from model.arrays import Image
from model.pixels.features import Block, FeatureExtractor, Level

KEPT_BYTES = 1024**3
"""In a process, 1 GiB: 1,200 images of 96 x 96, 40 of 512 x 512."""


@dataclass
class WholeFeatures:
    """Blocks of images by name, in half precision. What comes once `limit` bytes are used is computed each
    time: to drop others for it would drop, of images that are asked for in turn, each just before it is."""

    extractor: FeatureExtractor
    limit: int = KEPT_BYTES
    _kept: dict[str, tuple[Block, ...]] = field(default_factory=dict)
    _used: int = 0

    def blocks(self, name: str, read: Callable[[], Image]) -> tuple[Block, ...]:
        """The features of the image that `read` gives; `name` is the digest of its content."""
        blocks = self._kept.get(name)
        if blocks is None:
            blocks = tuple(_as(torch.float16, block) for block in self.extractor.compute(read()))
            size = sum(level.values.nbytes for block in blocks for level in block.levels)
            if self._used + size <= self.limit:
                self._kept[name] = blocks
                self._used += size
        return tuple(_as(torch.float32, block) for block in blocks)


@cache
def whole_features(precision: str) -> WholeFeatures:
    """Those of this process, at a recipe's precision."""
    return WholeFeatures(FeatureExtractor(precision))


def _as(kind: torch.dtype, block: Block) -> Block:
    return replace(block, levels=tuple(Level(level.values.to(kind), level.stride) for level in block.levels))
