"""Regions, the shapes of an annotation or prediction, to masks of class ids and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.labelstudio.config import LabelConfig

Mask = npt.NDArray[np.uint8]
Region = dict[str, Any]


def to_mask(result: Sequence[Region], config: LabelConfig, size: tuple[int, int], *, name: str = "annotation") -> Mask:
    """Draw the regions of an annotation as class ids, uint8 (H, W), 0 = background; where regions overlap, the later one wins.

    `size` is (height, width) of the image as displayed; `name` is what errors call the annotation ("task 5, annotation 7").
    Results of other kinds (choices, texts, relations) are passed over. Raises RegionError for a region that cannot be drawn: another
    image size, an undecodable brush, a label or control that the configuration does not have.
    """
    raise NotImplementedError


def from_mask(mask: Mask, config: LabelConfig, confidence: Sequence[float] | None = None) -> list[Region]:
    """Turn class ids, uint8 (H, W), into regions of the configuration: one brush region per class present, or polygons without a brush.

    `confidence` holds for each class id (background included, so `config.classes` numbers) the mean probability of that class over its
    pixels; it becomes the regions' own `score`. Region ids are unique within the result, and the same for the same mask.
    """
    raise NotImplementedError
