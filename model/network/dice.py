"""The dice similarity, g of Eq. 2: how well one mask agrees with another."""

from __future__ import annotations

import numpy as np

from model.arrays import Mask
from model.data.images.pixels import row_blocks


def dice(mask: Mask, other: Mask, classes: int) -> float:
    """Dice of two uint8 (H, W) masks of class ids:
    2 |A ∩ B| / (|A| + |B|), mean over the classes 1 .. classes - 1.

    A class that is in neither mask counts 1, one that is in only one of them 0. Symmetric;
    0 = background is not counted. Raises ValueError when the shapes differ.
    """
    if mask.shape != other.shape:
        raise ValueError(f"dice of masks of different shapes, {mask.shape} and {other.shape}")
    counts = np.zeros((classes, classes), dtype=np.intp)
    for first, end in row_blocks(mask.shape[0], mask.shape[1]):
        pairs = mask[first:end].ravel().astype(np.intp) * classes + other[first:end].ravel()
        counts += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    total = counts.sum(axis=0) + counts.sum(axis=1)
    scores = np.where(total > 0, 2 * counts.diagonal() / np.maximum(total, 1), 1.0)
    return float(scores[1:].mean())
