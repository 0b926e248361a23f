"""Some pixels of an image with their features, and the mean and deviation of all of them: what a round needs
of an image, at most 1 MB."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from model.arrays import Image, Mask
from model.errors import ImageError
from model.pixels.features import FeatureExtractor, feature_weights

PIXELS = 2000
"""Drawn from each image; all of a smaller one."""
RARE = 64
"""Pixels of each class that a labelled image is represented by, where it has them and the classes are few."""


@dataclass(frozen=True)
class PixelSample:
    """Features of P pixels of one image.

    positions: int64 (P,), ascending, row * width + column. values: float16 (P, channels).
    mean, deviation: float32 (channels,), of all pixels. size: (height, width).
    """

    positions: npt.NDArray[np.int64]
    values: npt.NDArray[np.float16]
    mean: npt.NDArray[np.float32]
    deviation: npt.NDArray[np.float32]
    size: tuple[int, int]

    def classes_in(self, mask: Mask) -> npt.NDArray[np.uint8]:
        """The class ids of the sampled pixels in a uint8 (H, W) mask of the image: uint8 (P,)."""
        if mask.shape != self.size:
            raise ValueError(f"a mask of shape {mask.shape} for an image of {self.size}")
        return mask.ravel()[self.positions]

    def misses(self, mask: Mask) -> bool:
        """Whether a class of the mask has too few pixels in the sample although it has more."""
        return bool(_too_few(mask, self.classes_in(mask)).any())


@dataclass(frozen=True)
class Scale:
    """The mean and deviation by which features are standardised, float32 (channels,) each;
    the deviation is larger for those that are to count less."""

    mean: npt.NDArray[np.float32]
    deviation: npt.NDArray[np.float32]

    @classmethod
    def over(cls, samples: Iterable[PixelSample]) -> Scale:
        """Of all pixels of some images, each image counting alike."""
        means, squares = [], []
        for sample in samples:
            means.append(sample.mean.astype(np.float64))
            squares.append(sample.mean.astype(np.float64) ** 2 + sample.deviation.astype(np.float64) ** 2)
        mean = np.mean(means, axis=0)
        deviation = np.sqrt(np.maximum(np.mean(squares, axis=0) - mean**2, 0))
        divisor = np.where(deviation > 1e-6, deviation, 1.0) / feature_weights(len(deviation))
        return cls(mean.astype(np.float32), divisor.astype(np.float32))

    def apply(self, values: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
        """Standardised features, float32, of (P, channels)."""
        return (values.astype(np.float32) - self.mean) / self.deviation


def draw_sample(image: Image, extractor: FeatureExtractor, *, mask: Mask | None = None) -> PixelSample:
    """Draw PIXELS of a float32 (H, W, 3) image at random, the same at each call, and compute their features.

    With a `mask` also up to RARE pixels of each class that the draw would miss.
    Raises ImageError where a feature is not finite.
    """
    height, width = image.shape[:2]
    positions = draw_positions(height * width, PIXELS, mask)
    values = np.empty((len(positions), extractor.channels), dtype=np.float16)
    moments = torch.zeros(3, extractor.channels, dtype=torch.float64)
    rows, columns = positions // width, positions % width
    for block in extractor.compute(image):
        inside = (rows >= block.top) & (rows < block.top + block.height)
        inside &= (columns >= block.left) & (columns < block.left + block.width)
        places = (torch.from_numpy(each[inside]).to(extractor.device) for each in (rows, columns))
        values[inside] = block.at(*places).half().cpu().numpy()
        moments += block.moments().cpu()
    count, total, squares = moments
    mean = total / count
    deviation = (squares / count - mean**2).clamp(min=0).sqrt()
    if not np.isfinite(values).all() or not torch.isfinite(mean).all():
        raise ImageError("The features of the image are not finite numbers; export it again, without NaN.")
    return PixelSample(positions, values, mean.float().numpy(), deviation.float().numpy(), (height, width))


def draw_positions(count: int, pixels: int, mask: Mask | None = None) -> npt.NDArray[np.int64]:
    """Up to `pixels` of `count` positions at random, ascending, the same at each call: int64 (P,).
    With a uint8 mask of them, some of each of its classes are among them."""
    generator = np.random.default_rng(count)
    drawn = np.arange(count) if count <= pixels else generator.choice(count, pixels, replace=False)
    if mask is not None:
        flat = mask.ravel()
        rare = np.flatnonzero(_too_few(mask, flat[drawn]))
        extra = np.concatenate(
            [generator.permutation(np.flatnonzero(flat == c))[: _enough(mask)] for c in rare] or [drawn[:0]]
        )
        others = drawn[~np.isin(flat[drawn], rare)]
        drawn = np.concatenate([extra, others[: pixels - len(extra)]])
    return np.sort(drawn).astype(np.int64)


def _too_few(mask: Mask, drawn: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Whether each class, (256,), has fewer pixels among the drawn ones than it could and should have."""
    found, there = np.bincount(drawn, minlength=256), np.bincount(mask.ravel(), minlength=256)
    return (found < _enough(mask)) & (found < there)


def _enough(mask: Mask) -> int:
    """Pixels that stand for a class: RARE, or fewer where a mask has so many classes that not all have a
    place."""
    classes = np.count_nonzero(np.bincount(mask.ravel(), minlength=256))
    return min(RARE, PIXELS // (2 * classes))
