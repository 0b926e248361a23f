"""A bank of classical filters: what a pixel and its surroundings look like, without any training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn.functional import pad

SIGMAS = (1.0, 2.0, 4.0, 8.0)
"""Widths of the Gaussian windows, in pixels: fine to coarse structure."""
REACH = 3.0  # a window ends at this many widths
CHANNELS = 3 + 4 * len(SIGMAS)
MARGIN = round(SIGMAS[-1] * REACH) + 2
"""Pixels around a tile that its features depend on."""


def filter_image(image: torch.Tensor, sigmas: Sequence[float] = SIGMAS) -> torch.Tensor:
    """The filters of an image, float32 (3, H, W) -> float32 (19, H, W):
    its colours; at each width the smoothed intensity, the length of its gradient, its Laplacian,
    and the deviation around it."""
    gray = image.mean(dim=0, keepdim=True)
    found = [image]
    for sigma in sigmas:
        smooth, square = _smooth(torch.stack([gray, gray * gray]), sigma)
        edges = pad(smooth[None], (1, 1, 1, 1), mode="replicate")[0]
        rows = (edges[:, 2:, 1:-1] - edges[:, :-2, 1:-1]) / 2
        columns = (edges[:, 1:-1, 2:] - edges[:, 1:-1, :-2]) / 2
        around = edges[:, 2:, 1:-1] + edges[:, :-2, 1:-1] + edges[:, 1:-1, 2:] + edges[:, 1:-1, :-2]
        # Derivatives shrink with the width of the window; times the width (squared) they are comparable.
        found += [
            smooth,
            torch.hypot(rows, columns) * sigma,
            (around - 4 * smooth) * sigma**2,
            (square - smooth * smooth).clamp(min=0).sqrt(),
        ]
    return torch.cat(found)


def _smooth(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """A Gaussian window over (B, 1, H, W); edges are repeated."""
    radius = round(sigma * REACH)
    window = [math.exp(-0.5 * (distance / sigma) ** 2) for distance in range(radius + 1)]
    total = window[0] + 2 * sum(window[1:])
    window = [weight / total for weight in window]
    padded = pad(images, (radius, radius, radius, radius), mode="replicate")
    return _weigh(_weigh(padded, window, 2), window, 3)


def _weigh(images: torch.Tensor, window: list[float], axis: int) -> torch.Tensor:
    """A symmetric window along one axis, by its weights from the middle outwards; without the margins.

    A sum of shifted images: torch's convolution takes up to fifty times as long on one channel.
    """
    radius = len(window) - 1
    length = images.shape[axis] - 2 * radius
    found = images.narrow(axis, radius, length) * window[0]
    for distance, weight in enumerate(window[1:], start=1):
        before = images.narrow(axis, radius - distance, length)
        found.add_(before + images.narrow(axis, radius + distance, length), alpha=weight)
    return found
