"""Beyond the paper: the task-dependent method that covers all images by the best teacher of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from model.selection import Objective
from model.strategies.task_dependent import TaskDependent


@dataclass(frozen=True)
class Coverage(TaskDependent):
    """The options of `task_dependent` with which three of its weak points are fixed.

    A network trained on all of Z is as good on an image as the best teacher in Z, not as the mean of them;
    one odd image does not decide, as the mean over all images counts;
    and where f_L has never seen the like, its pseudo-labels are wrong but agree: so d has to be high in both
    directions, by the annotator's mask where there is one, and between images that look alike.
    """

    name: ClassVar[str] = "coverage"
    asks_for: ClassVar[str] = (
        "the images that teach most of the others, among images that look alike: the paper's comparison with"
        " three of its weak points fixed"
    )
    paper: ClassVar[Mapping[str, Any]] = MappingProxyType({})  # it has defaults of its own everywhere
    true_masks: bool = True
    objective: str = Objective.MEAN_MAX.value
    mutual: bool = True
    likeness: bool = True
