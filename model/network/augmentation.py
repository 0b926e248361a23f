"""Random training crops:
position, rotation, scale and flip in one affine sampling, then a change of intensity."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
        pairs = [self.cut(self.next_image()) for _ in range(batch)]
        crops = torch.cat([crop for crop, _ in pairs]).contiguous(memory_format=self.memory_format)
        return self._change_intensity(crops), torch.cat([target for _, target in pairs]).long()[:, 0]

    def next_image(self) -> int:
        """Position of the image to cut from: all come once, in random order, before any comes again."""
        if not self.queue:
            self.queue = list(self.random.permutation(len(self.images)))
        return self.queue.pop()

    def cut(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A random crop of one image, by its position, before the change of intensity:
        float32 (1, 3, crop, crop) and (1, 1, crop, crop)."""
        image, label = self.images[index], self.labels[index]
        theta = torch.from_numpy(self._affine(image.shape[2], image.shape[3], self.centres[index])).to(
            image.device
        )
        grid = affine_grid(theta[None], [1, 1, self.crop, self.crop], align_corners=False)
        return (
            grid_sample(image, grid, mode="bilinear", padding_mode="reflection", align_corners=False),
            grid_sample(label, grid, mode="nearest", padding_mode="reflection", align_corners=False),
        )

    def _affine(self, height: int, width: int, centres: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The (2, 3) map from crop coordinates to image coordinates, both in [-1, 1]."""
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
        def per_crop(values: npt.NDArray[np.float64]) -> torch.Tensor:
            return torch.from_numpy(values.astype(np.float32)).to(crops.device)[:, None, None, None]

        batch = len(crops)
        gain = per_crop(np.exp(self.random.normal(0, GAIN, batch)))
        offset = per_crop(self.random.normal(0, OFFSET, batch))
        spread = per_crop(self.random.uniform(0, NOISE, batch))
        noise = torch.empty_like(crops).normal_(generator=self.noise)
        return crops * gain + offset + noise * spread


def _foreground(label: Mask, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Up to MOST_CENTRES (row, column) pairs of foreground pixels."""
    centres = np.argwhere(label > 0)
    if len(centres) > MOST_CENTRES:
        centres = centres[random.choice(len(centres), MOST_CENTRES, replace=False)]
    return centres
