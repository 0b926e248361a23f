"""What a batch is to maximise."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

WORST_SHARE = 5
"""One image in so many is among the worst: a fifth."""


class Objective(StrEnum):
    """What is expected on an image, and which images count.

    The paper expects the mean of d over Z on an image (Eq. 3), and counts the worst image alone (step 6).
    The others expect what the best teacher in Z reaches: a network that is trained on several images is about
    as good on another as the one of them that teaches it best.
    """

    MIN_MEAN = "min_mean"  # min_j of the mean over z in Z of d(x_z, x_j)
    WORST_FIFTH_MAX = "worst_fifth_max"  # mean over the worst fifth of j, of the max over z in Z
    MEAN_MAX = "mean_max"  # mean over all j, of the max over z in Z

    def counted(self, count: int) -> int:
        """How many of so many images count: the worst ones, or all."""
        if self is Objective.MIN_MEAN:
            return 1
        return count if self is Objective.MEAN_MAX else max(1, count // WORST_SHARE)

    def summarise(self, expected: NDArray[np.floating]) -> float:
        """The figure to maximise, of what is expected on each image: (N,) to a dice in [0, 1]."""
        counted = self.counted(len(expected))
        if counted == len(expected):
            return float(expected.mean(dtype=np.float64))
        return float(np.partition(expected, counted - 1)[:counted].mean(dtype=np.float64))
