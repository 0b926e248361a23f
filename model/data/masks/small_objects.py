"""Objects that are too small for the working size: how many masks lose there, and which size keeps them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from scipy import ndimage

from model.arrays import Mask
from model.data.images.pixels import working_size
from model.data.masks.class_ids import present_values, resize_mask

SIDES = (768, 1024, 1536, 2048, 3072, 4096)
"""Working sizes that are tried, in pixels; beyond them a network takes hours for an image on a processor."""
MAY_LOSE = 0.1
"""Share of a class that a working size may lose:
of its pixels before another size is chosen, of its objects before it is told."""
KEPT = 0.5
"""Share of its pixels that must come back when an object is shrunk and enlarged again, for it not to count as
lost."""
MOST_PIXELS = 1 << 24
"""Of a mask whose objects are told apart, which takes 30 bytes a pixel: 4096 x 4096."""
MEMORY = 2 * 1024**3
"""Bytes that the labelled images of a training may take at a working size chosen for them, 2 GiB:
40 of 2048 x 2048."""
BYTES_PER_PIXEL = 13
"""Of an image in three channels and its mask."""


@dataclass
class Losses:
    """Objects in masks and their pixels, by class id, and what of them each working size loses, by (longest
    side in pixels, class id)."""

    objects: Counter[int] = field(default_factory=Counter)
    pixels: Counter[int] = field(default_factory=Counter)
    lost_objects: Counter[tuple[int, int]] = field(default_factory=Counter)
    lost_pixels: Counter[tuple[int, int]] = field(default_factory=Counter)
    masks: int = 0
    longest: int = 0
    """The longest side of a mask, in pixels: no working size need be larger."""

    def loses(self, side: int) -> bool:
        """Whether a working size loses more of a class than it may;
        specks beside large objects hardly count."""
        return any(self.lost_pixels[side, number] > MAY_LOSE * total for number, total in self.pixels.items())

    def loses_small_ones(self, side: int) -> bool:
        """Whether a working size loses many objects of a class, however little they cover."""
        return any(
            self.lost_objects[side, number] > MAY_LOSE * total for number, total in self.objects.items()
        )

    def describe(self, side: int) -> str:
        """How many objects are lost, in words."""
        return (
            f"{sum(self.lost_objects[side, number] for number in self.objects)} of"
            f" {sum(self.objects.values())} objects in the masks"
        )

    def add(self, other: Losses) -> None:
        """Count the masks of another in."""
        self.objects.update(other.objects)
        self.pixels.update(other.pixels)
        self.lost_objects.update(other.lost_objects)
        self.lost_pixels.update(other.lost_pixels)
        self.masks += other.masks
        self.longest = max(self.longest, other.longest)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            name: list(value.items()) if isinstance(value, Counter) else value
            for name, value in vars(self).items()
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        return cls(**{name: _counter(value) for name, value in content.items()})


def _counter(value: Any) -> Any:
    """The counter that was written as a list of keys and counts; JSON makes lists of pairs of numbers."""
    if not isinstance(value, list):
        return value
    return Counter({tuple(key) if isinstance(key, list) else key: count for key, count in value})


def count_losses(mask: Mask, side: int) -> Losses:
    """What a longest side of `side` pixels loses of a mask, uint8 (H, W) of class ids at full size, and
    larger ones that lose less.

    Of a mask of more than MOST_PIXELS every second pixel is looked at, or third.
    """
    step = math.ceil(math.sqrt(mask.size / MOST_PIXELS))
    losses = Losses(masks=1, longest=max(mask.shape))
    mask = mask[::step, ::step]
    labelled = {
        number: ndimage.label(mask == number, np.ones((3, 3)))
        for number in present_values(mask).tolist()
        if number
    }
    areas = {
        number: np.bincount(labels.ravel(), minlength=count + 1)[1:]
        for number, (labels, count) in labelled.items()
    }
    losses.objects.update({number: len(some) for number, some in areas.items()})
    losses.pixels.update({number: int(some.sum()) for number, some in areas.items()})
    for candidate in (side, *(larger for larger in SIDES if larger > side)):
        size = working_size((mask.shape[0], mask.shape[1]), candidate)
        if size == mask.shape:
            break
        same = resize_mask(resize_mask(mask, size), (mask.shape[0], mask.shape[1])) == mask
        for number, (labels, count) in labelled.items():
            lost = np.bincount(labels[same], minlength=count + 1)[1:] < KEPT * areas[number]
            losses.lost_objects[candidate, number] += int(lost.sum())
            losses.lost_pixels[candidate, number] += int(areas[number][lost].sum())
        if not any(losses.lost_objects[candidate, number] for number in labelled):
            break
    return losses


def choose_side(losses: Losses, side: int, images: int) -> int:
    """The smallest working size, `side` or above, that keeps the objects of so many images in memory at once;
    else the best there is."""
    if not losses.loses(side):
        return side
    affordable = [
        larger for larger in SIDES if larger > side and images * larger**2 * BYTES_PER_PIXEL <= MEMORY
    ]
    for larger in affordable:
        if not losses.loses(larger):
            return larger
    return min(
        [side, *affordable],
        key=lambda candidate: (sum(losses.lost_pixels[candidate, n] for n in losses.pixels), candidate),
    )


def warn_of_losses(losses: Losses, side: int, setting: str = "--image-size") -> str:
    """What a working size loses, and which size keeps it; empty if it loses little.
    `setting` is what people set it by."""
    if not (losses.loses(side) or losses.loses_small_ones(side)):
        return ""
    found = f"At {setting} {side}, {losses.describe(side)} lose most of their pixels"
    keeping = next(
        (
            larger
            for larger in SIDES
            if larger > side and not (losses.loses(larger) or losses.loses_small_ones(larger))
        ),
        None,
    )
    if keeping is not None and losses.longest:
        keeping = min(keeping, losses.longest)
    if keeping is None:
        return f"{found}, and even {SIDES[-1]} loses some: cut the images into tiles."
    return (
        f"{found}; {setting} {keeping} keeps them, and takes about {round((keeping / side) ** 2)} times as"
        " long."
    )
