"""How well the classes of sampled pixels agree with a mask, as if all pixels had been compared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.arrays import Mask


def count_for_each(sampled: npt.NDArray[np.uint8], mask: Mask, classes: int) -> npt.NDArray[np.float32]:
    """For how many pixels of its class in a mask one of those sampled stands: float32 (classes,).

    sampled: uint8 (P,), their class ids. mask: uint8 (H, W).
    A sample holds more of a rare class than its share.
    """
    drawn = np.bincount(sampled, minlength=classes)[:classes]
    whole = np.bincount(mask.ravel(), minlength=classes)[:classes]
    counts: npt.NDArray[np.float32] = (whole / np.maximum(drawn, 1)).astype(np.float32)
    return counts


def sampled_dice(
    predicted: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8], mask: Mask, classes: int
) -> float:
    """The dice of predicted class ids (P,) of sampled pixels, mean over the foreground classes.

    truth: uint8 (P,), the class ids of these pixels in the mask, uint8 (H, W).
    Each pixel counts for as many of its class as the mask has for one in the sample.
    A class that is neither in the mask nor predicted counts 1, as in the dice of two masks.
    """
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (truth, predicted), 1)
    confusion *= count_for_each(truth, mask, classes).astype(np.float64)[:, None]
    both = np.diagonal(confusion)[1:]
    total = (confusion.sum(axis=0) + confusion.sum(axis=1))[1:]
    return float(np.mean(np.divide(2 * both, total, out=np.ones_like(both), where=total > 0)))
