"""Beyond the paper:
the task-dependent method that believes a similarity only among images that look alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from model.strategies.task_dependent import TaskDependent

if TYPE_CHECKING:
    from model.similarity.round import Round


@dataclass(frozen=True)
class Alike(TaskDependent):
    """Where f_L has never seen the like, its pseudo-labels are wrong and still agree with each other, so that
    d looks high there.

    So an image counts as well predicted only once one is labelled that looks like it. With U-Nets it is what
    f_L makes of two images that tells whether they look alike (the features of section III).
    No further network is trained.
    """

    name: ClassVar[str] = "alike"
    asks_for: ClassVar[str] = (
        "the paper's method, but one image is believed to teach another only where they look alike"
    )
    likeness: bool = True

    def appearance(self, round_: Round) -> npt.NDArray[np.float32]:
        """What f_L makes of the images, in the order of ids: float32 (N, channels)."""
        return round_.learner.features()
