"""What the numbers of one mask look like:
how much each covers, whether it is one piece, and what it lies beside."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from model.arrays import Array
from model.data.masks.class_ids import MAX_CLASSES
from model.data.masks.two_levels import FEW, UNIFORM

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

WHOLE = 0.95
"""Share of its pixels in one connected piece from which on a number counts as one object, crumbs apart."""
PIXELS_A_NUMBER = 4
"""Fewer pixels for each number are a photograph, not a mask."""
SCATTERED = 0.5
"""Share of numbers of one piece below which many numbers are a photograph; of numbered objects nearly all
are."""
SAMPLE = 16
"""Numbers of which it is found out whether they are of one piece, where there are too many for classes."""
MOST_NUMBERS = 20_000
"""Different numbers in a mask beyond which it is noise, and not looked at any further."""


@dataclass(frozen=True)
class Content:
    """What is remembered of a mask's numbers, not its pixels."""

    numbers: Numbers
    """The different numbers, ascending, (n,)."""
    areas: Numbers
    """Pixels of each, (n,)."""
    whole: Flags | None = None
    """Whether each is one connected piece, (n,); None if nobody looked."""
    neighbours: Numbers | None = None
    """How many others but 0 each touches, (n,)."""
    interior: Numbers | None = None
    """Pixels of each that have only pixels of the same number around them, (n,)."""
    coloured: bool = False
    """Colours stand for the numbers."""
    blurred: str = ""
    """See `masks.channels.Stored`."""
    colours: Numbers | None = None
    """See `masks.channels.Stored`."""
    scattered: bool = False
    """There are too many numbers for classes, and most are in many pieces."""

    @property
    def present(self) -> Flags:
        """Which of the numbers are not 0, (n,)."""
        return self.numbers != 0

    @property
    def is_photograph(self) -> bool:
        """Whether these are the intensities of an image: too many for its pixels, or too many for classes,
        and scattered."""
        return self.scattered or self.numbers.size > self.areas.sum() / PIXELS_A_NUMBER

    @property
    def is_worth_a_look(self) -> bool:
        """Whether there are several numbers beside 0, so that it matters where they lie."""
        return 1 < int(self.present.sum()) <= MOST_NUMBERS and not self.is_photograph

    @property
    def has_blended_edges(self) -> bool:
        """Whether only the lowest and the highest number fill areas, and all between lie along their edges,
        as smoothing leaves them."""
        if self.interior is None or self.numbers.size < FEW + 2:
            return False
        between, outside = slice(1, -1), [0, -1]
        thin = self.interior[between].sum() <= UNIFORM * self.areas[between].sum()
        return bool(thin and self.interior[outside].all())

    def share(self, number: int) -> float:
        """The part of the pixels that has a number."""
        return float(self.areas[self.numbers == number].sum() / self.areas.sum())


def describe_content(
    values: Array, *, coloured: bool = False, blurred: str = "", colours: Numbers | None = None
) -> Content:
    """Count the numbers of a mask, integers (H, W), and see whether they are scattered as in an image."""
    if values.dtype == np.uint8:  # np.unique sorts all pixels; counting is 20 times faster
        counts = np.bincount(values.ravel(), minlength=256)
        numbers = np.flatnonzero(counts)
        areas = counts[numbers]
    else:
        numbers, areas = np.unique(values, return_counts=True)
    return Content(
        numbers.astype(np.int64),
        areas.astype(np.int64),
        coloured=coloured,
        blurred=blurred,
        colours=colours,
        scattered=numbers.size > MAX_CLASSES and _are_scattered(values, numbers, areas),
    )


def look_closely(content: Content, values: Array) -> Content:
    """Add where the numbers of a mask, integers (H, W), lie, if that `is_worth_a_look`."""
    if not content.is_worth_a_look:
        return content
    index = np.searchsorted(content.numbers, values).astype(np.int32)
    return replace(
        content,
        whole=_whole(index, content.areas),
        neighbours=_neighbours(index, content.present),
        interior=_interior(index),
    )


def _are_scattered(values: Array, numbers: Array, areas: Array) -> bool:
    """Whether most of a sample of the numbers are in many pieces."""
    sample = np.linspace(0, numbers.size - 1, min(SAMPLE, numbers.size)).astype(int)
    whole = [_is_whole(_cropped(values == numbers[place]), areas[place]) for place in sample.tolist()]
    return float(np.mean(whole)) < SCATTERED


def _cropped(where: Flags) -> Flags:
    """The part of (H, W) that holds all of what is True."""
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    return where[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _is_whole(where: Flags, area: int) -> bool:
    """Whether what is True in (H, W), `area` pixels, is one piece but for crumbs."""
    pieces, count = ndimage.label(where, np.ones((3, 3)))
    return count == 1 or bool(np.bincount(pieces.ravel())[1:].max() >= WHOLE * area)


def _whole(index: npt.NDArray[np.int32], areas: Numbers) -> Flags:
    """Whether each number is one piece but for crumbs; `index` (H, W) says which number a pixel has."""
    boxes = enumerate(ndimage.find_objects(index + 1))
    return np.array([_is_whole(index[box] == number, areas[number]) for number, box in boxes], dtype=bool)


def _neighbours(index: npt.NDArray[np.int32], present: Flags) -> Numbers:
    count = len(present)
    pairs = set()
    for first, second in ((index[:, :-1], index[:, 1:]), (index[:-1], index[1:])):
        beside = (first != second) & present[first] & present[second]
        pairs.update(np.unique(first[beside].astype(np.int64) * count + second[beside]).tolist())
    both = {(pair // count, pair % count) for pair in pairs}
    touching = both | {(b, a) for a, b in both}
    return np.bincount([a for a, _ in touching], minlength=count).astype(np.int64)


def _interior(index: npt.NDArray[np.int32]) -> Numbers:
    inside = ndimage.minimum_filter(index, 3) == ndimage.maximum_filter(index, 3)
    return np.bincount(index[inside], minlength=int(index.max()) + 1).astype(np.int64)
