"""Random training crops:
position, rotation, scale and flip in one affine sampling, then a change of intensity."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import affine_grid, grid_sample

from model.arrays import Image, Mask

FOREGROUND_SHARE = (
    1 / 3
)  # of the crops are centred on a foreground pixel, so that sparse images teach more than background
SCALE = 0.2  # crops are enlarged or shrunk by up to this share
GAIN = 0.25  # standard deviation of the log contrast
OFFSET = 0.2  # standard deviation of the brightness, in standard deviations of the image
NOISE = 0.1  # largest standard deviation of the pixel noise
MOST_CENTRES = 20_000  # foreground pixels remembered per image

Affine = npt.NDArray[np.float32]
"""A (2, 3) map from crop coordinates to image coordinates, both in [-1, 1]."""


class CropSampler:
    """Draws batches of crops from labelled images, each image equally often;
    the same crops for the same seed."""

    def __init__(
        self,
        images: Sequence[Image],
        labels: Sequence[Mask],
        crop: int,
        seed: int,
        device: torch.device,
        memory_format: torch.memory_format = torch.channels_last,
    ) -> None:
        """Images are float32 (H, W, 3), labels uint8 (H, W) class ids;
        `crop` is the side of a crop in pixels."""
        self.crop = crop
        self.device = device
        # Crops are cut in few calls: on a GPU, where calls cost, all of images of one size together; on a
        # CPU, where copies cost, those of one image.
        self.by_size = device.type == "cuda"
        self.memory_format = memory_format
        self.random = np.random.default_rng(seed)
        self.noise = torch.Generator(device).manual_seed(seed)
        self.images = [torch.tensor(image).permute(2, 0, 1)[None].contiguous().to(device) for image in images]
        self.labels = [torch.from_numpy(label.astype(np.float32))[None, None].to(device) for label in labels]
        self.centres = [_foreground(label, self.random) for label in labels]
        self.queue: list[int] = []

    def sample(self, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Float32 (batch, 3, crop, crop) in the memory format asked for, and int64 (batch, crop, crop) class
        ids."""
        crops, targets = self.cut([self.draw() for _ in range(batch)])
        return self._change_intensity(crops.contiguous(memory_format=self.memory_format)), targets

    def draw(self) -> tuple[int, Affine]:
        """The next image to cut from, by its position, and where."""
        index = self.next_image()
        height, width = self.images[index].shape[2:]
        return index, self._affine(height, width, self.centres[index])

    def next_image(self) -> int:
        """Position of the image to cut from: all come once, in random order, before any comes again."""
        if not self.queue:
            self.queue = list(self.random.permutation(len(self.images)))
        return self.queue.pop()

    def cut(self, drawn: Sequence[tuple[int, Affine]]) -> tuple[torch.Tensor, torch.Tensor]:
        """The crops that `draw` drew, before the change of intensity: float32 (B, 3, crop, crop) and int64
        (B, crop, crop)."""
        indices = [index for index, _ in drawn]
        maps = torch.from_numpy(np.stack([where for _, where in drawn])).to(self.device)
        grids = affine_grid(maps, [len(drawn), 1, self.crop, self.crop], align_corners=False)
        crops, targets = (
            torch.empty((len(drawn), channels, self.crop, self.crop), device=self.device)
            for channels in (3, 1)
        )
        for places in self._calls(indices):
            which = [indices[place] for place in places]
            crops[places] = _resample(self.images, which, grids[places], "bilinear")
            targets[places] = _resample(self.labels, which, grids[places], "nearest")
        return crops, targets.long()[:, 0]

    def _calls(self, indices: Sequence[int]) -> Collection[list[int]]:
        """The places in a batch that are cut in one call."""
        groups: dict[object, list[int]] = {}
        for place, index in enumerate(indices):
            together = self.images[index].shape if self.by_size else index
            groups.setdefault(together, []).append(place)
        return groups.values()

    def _affine(self, height: int, width: int, centres: npt.NDArray[np.int64]) -> Affine:
        """A random place in an image of this size."""
        angle = (
            self.random.uniform(0, 2 * math.pi)
            if self.random.random() < 0.5
            else self.random.integers(4) * math.pi / 2
        )
        scale = math.exp(self.random.uniform(-SCALE, SCALE))
        mirror = self.random.choice([-1.0, 1.0])
        size = np.array([width, height], dtype=np.float64)
        if len(centres) and self.random.random() < FOREGROUND_SHARE:
            centre = centres[self.random.integers(len(centres))][::-1] + 0.5
        else:
            centre = self.random.uniform(0, 1, 2) * size
        half = self.crop * scale / 2
        # Keep the crop inside the image where it fits: what lies outside is only a mirror image.
        centre = np.where(size > 2 * half, np.clip(centre, half, size - half), size / 2)
        cos, sin = math.cos(angle), math.sin(angle)
        linear = half * np.array([[cos * mirror, -sin], [sin * mirror, cos]]) / (size[:, None] / 2)
        return np.concatenate([linear, (centre / (size / 2) - 1)[:, None]], axis=1).astype(np.float32)

    def _change_intensity(self, crops: torch.Tensor) -> torch.Tensor:
        batch = len(crops)
        drawn = [
            np.exp(self.random.normal(0, GAIN, batch)),
            self.random.normal(0, OFFSET, batch),
            self.random.uniform(0, NOISE, batch),
        ]
        values = torch.from_numpy(np.array(drawn, np.float32)).to(self.device)
        gain, offset, spread = values[:, :, None, None, None]
        noise = torch.empty_like(crops).normal_(generator=self.noise)
        return crops * gain + offset + noise * spread


def _resample(
    sources: Sequence[torch.Tensor], which: Sequence[int], grids: torch.Tensor, mode: str
) -> torch.Tensor:
    """The values of (1, C, H, W) sources of one size at the places of grids (B, h, w, 2): (B, C, h, w)."""
    first = sources[which[0]]
    alike = len(set(which)) == 1
    stack = first.expand(len(which), -1, -1, -1) if alike else torch.cat([sources[index] for index in which])
    return grid_sample(stack, grids, mode=mode, padding_mode="reflection", align_corners=False)


def _foreground(label: Mask, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Up to MOST_CENTRES (row, column) pairs of foreground pixels."""
    centres = np.argwhere(label > 0)
    if len(centres) > MOST_CENTRES:
        centres = centres[random.choice(len(centres), MOST_CENTRES, replace=False)]
    return centres
