"""How the numbers in the masks of a folder become class ids, and what a user says of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.arrays import Array, Mask
from model.class_file import NAME, read_class_file
from model.data.masks.class_ids import class_ids, remedy_below_zero
from model.errors import MaskError, PoolError

ALL = "all"
MOST_CLASSES = 256
"""With the background; class ids have 8 bits."""


class Meaning(StrEnum):
    """What the numbers in masks mean: classes, objects of one class, or whichever they look like."""

    AUTO = "auto"
    CLASSES = "classes"
    OBJECTS = "objects"


@dataclass(frozen=True)
class MaskOptions:
    """What a user says about masks; the defaults say nothing."""

    meaning: Meaning = Meaning.AUTO
    inverted: tuple[str, ...] = ()
    """Names of mask files, as paths within their folder, whose background is the foreground;
    "all" for all."""

    def inverts(self, name: str) -> bool:
        """Whether a mask is to be inverted."""
        return ALL in self.inverted or _composed(name) in self._named

    @cached_property
    def _named(self) -> frozenset[str]:
        return frozenset(map(_composed, self.inverted))

    def unknown(self, names: Collection[str]) -> list[str]:
        """What is to be inverted and is none of the masks."""
        known = {ALL, *map(_composed, names)}
        return [name for name in self.inverted if _composed(name) not in known]


def _composed(name: str) -> str:
    """A name as on Linux: a Mac may write a letter with an accent as two signs, which look the same."""
    return unicodedata.normalize("NFC", name)


PLAIN = MaskOptions()


@dataclass(frozen=True)
class Coding:
    """How the numbers of masks become class ids 0 to `classes` - 1.
    Numbers are those of the file, see `masks.files.read_stored`."""

    classes: int
    objects: bool = False
    """Every number but the background's is foreground."""
    background: int = 0
    """The number of the background where numbers are objects."""
    levels: tuple[int, ...] = ()
    """Grays that stand for the classes 0, 1, ...; empty: the numbers are ids, or 0/255."""
    swapped: Mapping[int, int] = field(default_factory=dict)
    """What numbers of inverted masks become first."""
    most: int = 0
    """The number that covers most of the inverted masks."""
    pieces: bool = False
    """Inverted masks number the pieces of their background, and 0 is what is left: the objects."""
    lines: tuple[int, ...] = ()
    """Numbers of lines around the objects of inverted masks, background as well."""

    def ids(self, values: Array, *, inverted: bool = False, name: str = "mask") -> Mask:
        """Class ids, uint8 (H, W), of a mask's numbers, integers (H, W).
        Raises MaskError for numbers that do not fit."""
        if self.objects and not inverted:
            return (values != self.background).astype(np.uint8)
        if not (self.levels or inverted):
            return class_ids(values, self.classes, name=name)
        numbers, places, areas = np.unique(values, return_inverse=True, return_counts=True)
        return self.ids_of_numbers(numbers, areas, inverted=inverted, name=name)[places.reshape(values.shape)]

    def ids_of_numbers(self, numbers: Array, areas: Array, *, inverted: bool, name: str) -> Mask:
        """The class id, uint8 (n,), of each of the different numbers (n,) in one mask;
        `areas` are their pixels. Raises MaskError."""
        if self.objects:
            if numbers.min() < 0 and not inverted:
                perhaps = numbers[areas.argmax()] != 0  # else the background has its number
                remedy = remedy_below_zero(numbers.min()) if perhaps else "give these pixels the number 0"
                raise MaskError(
                    f"mask {name}: found the number {numbers.min()}, expected 0 and above; {remedy}."
                )
            if inverted and self.pieces and 0 in numbers:
                return (numbers == 0).astype(np.uint8)
            background = self.background
            if inverted:
                background = self.most if self.most in numbers else numbers[areas.argmax()]
            return ((numbers != background) & ~np.isin(numbers, self.lines)).astype(np.uint8)
        return class_ids(self.plain(numbers, inverted), self.classes, name=name)

    def plain(self, numbers: Array, inverted: bool) -> Array:
        """Numbers of classes, of any shape, as they are to be read:
        inverted ones exchanged, levels as ids."""
        numbers = map_numbers(numbers, self.swapped) if inverted else numbers
        return (
            map_numbers(numbers, {level: number for number, level in enumerate(self.levels)})
            if self.levels
            else numbers
        )

    def describe(self) -> dict[str, Any]:
        """What tells this reading from the plain one of class ids, JSON-ready; empty for the plain one."""
        parts = {"objects": self.objects, "levels": list(self.levels)}
        return {name: value for name, value in parts.items() if value}


def as_stated(
    masks_dir: Path | None, classes: int | None, options: MaskOptions
) -> tuple[int | None, MaskOptions, list[str]]:
    """Classes and options as a folder's classes.json states them where a user says nothing, and a note of it.
    Raises PoolError for more classes than can be read."""
    stated = read_class_file(masks_dir) if masks_dir is not None else None
    if stated is None and masks_dir is not None and (masks_dir / NAME).exists():
        note = (
            f"{NAME} beside the masks is passed over: expected what an export writes,"
            ' {"numbers": "classes" or "objects", "classes": [{"id": 1, "name": ...}, ...]}.'
        )
        return classes, options, [note]
    if stated is None or classes is not None or options.meaning is not Meaning.AUTO:
        return classes, options, []
    if not stated.objects and len(stated.labels) >= MOST_CLASSES:
        raise PoolError(
            f"{masks_dir}/{NAME}: found {len(stated.labels)} classes, expected at most {MOST_CLASSES - 1}"
            " beside the background; leave some out and renumber the masks, or remove the file and give"
            " --mask-numbers objects if the numbers count objects."
        )
    meaning = Meaning.OBJECTS if stated.objects else Meaning.CLASSES
    note = f"The numbers in the masks are {meaning}, as {NAME} beside them says."
    count = None if stated.objects else len(stated.labels) + 1
    return count, replace(options, meaning=meaning), [note]


def map_numbers(values: npt.NDArray[Any], numbers: Mapping[int, int]) -> npt.NDArray[Any]:
    """The values with some numbers exchanged for others, all at once."""
    result = values.copy() if not numbers else values.astype(np.int64)
    for number, other in numbers.items():
        result[values == number] = other
    return result
