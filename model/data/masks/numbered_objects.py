"""Do the numbers in masks count objects, as Cellpose, StarDist and ImageJ write them, or are they classes?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from model.data.masks.class_ids import WHITE
from model.data.masks.content import Content

FEW_CLASSES = 8
"""More different numbers than this are hardly classes, if each is one piece."""
SURE = 0.9
"""Share of the numbers that must be one connected piece each to be objects;
a few are cut in two by others."""
HALF = 0.5
"""Share of the numbers in one piece from which on it is asked."""
USUAL = 0.8
"""Share of the masks in which numbers touch from which on they are regions side by side."""
ENOUGH = 3
"""Masks from which on a regularity is believed, if there are so many."""
ALIKE = 10
"""Times that the largest object of one or two masks may exceed the smallest in area."""
THIN = 0.02
"""Share of its pixels that have only their like around them, up to which a number is a line."""


class Verdict(StrEnum):
    """What numbers look like; a doubtful one is told to the user with the way to the other reading."""

    OBJECTS = "objects"
    CLASSES = "classes"
    CLASSES_PERHAPS = "classes, but most are one piece in each mask"


class _Seen(NamedTuple):
    """A number in a mask."""

    number: int
    area: int
    whole: bool
    neighbours: int


def judge(contents: Sequence[Content], background: int = 0) -> Verdict:
    """Tell object numbers from class ids by what masks have in common;
    `background` is the number of the background.

    Object numbers are one connected piece each, and differ from mask to mask:
    how many there are, and which is larger than which.
    Classes have several pieces somewhere, or lie side by side in the same order of size everywhere.
    """
    masks = [seen for content in contents if len(seen := _seen(content, background)) > 1]
    masks = _without_borders(masks)
    numbers = [one for mask in masks for one in mask]
    if not numbers:
        return _of_single_numbers(contents, background)
    whole = float(np.mean([one.whole for one in numbers]))
    if whole < SURE:  # objects may be cut in two, by others or by a line
        return Verdict.CLASSES_PERHAPS if whole >= HALF else Verdict.CLASSES
    if len({one.number for one in numbers}) > FEW_CLASSES:
        return Verdict.OBJECTS
    return Verdict.OBJECTS if _few_objects(masks) else Verdict.CLASSES_PERHAPS


def are_pieces(contents: Sequence[Content], most: int) -> bool:
    """Whether the numbers of inverted masks but for 0 are pieces of their background, which the objects, 0,
    part from each other; else 0 is an object as others, and `most`, which covers most, the background."""
    touches = [
        bool(content.neighbours[content.numbers == most].any())
        for content in contents
        if content.neighbours is not None and most in content.numbers
    ]
    zero = any(0 in content.numbers for content in contents)
    return zero and (most == 0 or not touches or float(np.mean(touches)) < HALF)


def find_lines(contents: Sequence[Content], most: int) -> tuple[int, ...]:
    """Numbers up to 0 that are but lines around the objects of inverted masks, as a watershed leaves them:
    0 or -1, where `most` covers most of the masks as background."""
    if most <= 0 or float(np.mean([content.share(most) for content in contents])) < HALF:
        return ()
    lines = []
    for number in (-1, 0):
        looked = [c for c in contents if c.interior is not None and number in c.numbers]
        area = sum(int(c.areas[c.numbers == number].sum()) for c in looked)
        inside = sum(int(c.interior[c.numbers == number].sum()) for c in looked if c.interior is not None)
        if area and inside <= THIN * area:
            lines.append(number)
    return tuple(lines)


def _of_single_numbers(contents: Sequence[Content], background: int) -> Verdict:
    """Of masks that hold one number each: where these differ they may number an object each."""
    # 255 is what others write as 1
    marked = [
        {1 if number == WHITE else number for number in content.numbers.tolist()} - {0, background}
        for content in contents
    ]
    alone = all(len(numbers) <= 1 for numbers in marked)
    return Verdict.CLASSES_PERHAPS if alone and len(set.union(set(), *marked)) > 1 else Verdict.CLASSES


def _few_objects(masks: list[list[_Seen]]) -> bool:
    """Whether up to FEW_CLASSES numbers, each one piece, are objects."""
    sets = {tuple(one.number for one in mask) for mask in masks}
    from_one = all(numbers == tuple(range(1, len(numbers) + 1)) for numbers in sets)
    nested = all(set(some) <= set(others) or set(others) <= set(some) for some in sets for others in sets)
    ordered = _same_order_of_size(masks)
    if np.mean([any(one.neighbours for one in mask) for mask in masks]) >= USUAL:  # regions side by side
        return len(sets) > 1 and nested and not ordered
    if len(sets) == 1:
        sizes = [one.area for mask in masks for one in mask]
        return not ordered and len(sizes) > 2 and (len(masks) >= ENOUGH or max(sizes) <= ALIKE * min(sizes))
    if from_one:
        return True  # even if the same are the largest: some programs number by size
    in_none = len({number for numbers in sets for number in numbers}) > max(len(numbers) for numbers in sets)
    return (nested or in_none) and not ordered  # of numbers that are left of more no mask has all


def _same_order_of_size(masks: list[list[_Seen]]) -> bool:
    """Whether of any two numbers the same one is the larger in nearly all masks;
    of a lone mask nobody knows."""
    signs: dict[tuple[int, int], list[float]] = defaultdict(list)
    for mask in masks:
        for position, one in enumerate(mask):
            for other in mask[position + 1 :]:
                signs[one.number, other.number].append(np.sign(one.area - other.area))
    known = [values for values in signs.values() if len(values) >= min(ENOUGH, max(len(masks), 2))]
    return bool(known) and float(np.mean([abs(np.mean(values)) for values in known])) >= SURE


def _seen(content: Content, background: int) -> list[_Seen]:
    if content.whole is None or content.neighbours is None:
        return []
    others = int(background != 0)  # the background counts as a neighbour unless it is 0
    rows = zip(
        content.numbers.tolist(),
        content.areas.tolist(),
        content.whole.tolist(),
        content.neighbours.tolist(),
        strict=True,
    )
    return [
        _Seen(number, area, whole, neighbours - others)
        for number, area, whole, neighbours in rows
        if number > 0 and number != background  # below 0 are lines, or what nobody has labelled
    ]


def _without_borders(masks: list[list[_Seen]]) -> list[list[_Seen]]:
    """The masks without one number that surrounds the others in all of them, as a border between touching
    cells does."""
    around = [
        {one.number for one in mask if one.neighbours >= SURE * (len(mask) - 1)} for mask in masks
    ]  # first, as masks may hold thousands of numbers
    for number in sorted(set.intersection(*around) if around else set()):
        borders = [one for mask in masks for one in mask if one.number == number]
        rest = [
            [one._replace(neighbours=one.neighbours - 1) for one in mask if one.number != number]
            for mask in masks
        ]
        if (
            not all(one.whole for one in borders)
            and len({tuple(one.number for one in mask) for mask in rest}) > 1
        ):
            return [mask for mask in rest if len(mask) > 1]
    return masks
