"""How the numbers in the masks of a folder become class ids: decided for all of them together, and said."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.arrays import Array, Mask
from model.class_file import NAME, read_class_file
from model.data.mask_content import Content
from model.data.masks import MAX_CLASSES, WHITE, check_values, class_ids, infer_classes
from model.data.numbered_objects import Verdict, judge
from model.errors import MaskError, PoolError

ALL = "all"
MOST_LEVELS = 8
"""Evenly spaced grays up to this many, from black to white, are classes."""
WHITE_COLOUR = 0xFFFFFF
SAME_COLOUR = 24
"""What red, green and blue of one colour may differ between palettes."""


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
        return ALL in self.inverted or name in self.inverted


PLAIN = MaskOptions()


@dataclass(frozen=True)
class Coding:
    """How the numbers of masks become class ids 0 to `classes` - 1.
    Numbers are those of the file, see `masks.read_stored`."""

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
            if numbers.min() < 0:
                raise MaskError(
                    f"mask {name}: found the number {numbers.min()}, expected 0 and above; export it again."
                )
            if (
                inverted and 0 in numbers
            ):  # the pieces of the background are numbered, and what is left are the objects
                return (numbers == 0).astype(np.uint8)
            background = self.background
            if inverted:
                background = self.most if self.most in numbers else numbers[areas.argmax()]
            return (numbers != background).astype(np.uint8)
        return class_ids(self.plain(numbers, inverted), self.classes, name=name)

    def plain(self, numbers: Array, inverted: bool) -> Array:
        """Numbers of classes, of any shape, as they are to be read:
        inverted ones exchanged, levels as ids."""
        numbers = _mapped(numbers, self.swapped) if inverted else numbers
        return (
            _mapped(numbers, {level: number for number, level in enumerate(self.levels)})
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
    """Classes and options as a folder's classes.json states them where a user says nothing, and a note of
    it."""
    stated = read_class_file(masks_dir) if masks_dir is not None else None
    if stated is None and masks_dir is not None and (masks_dir / NAME).exists():
        note = (
            f"{NAME} beside the masks is passed over: expected what an export writes,"
            ' {"numbers": "classes" or "objects", "classes": [{"id": 1, "name": ...}, ...]}.'
        )
        return classes, options, [note]
    if stated is None or classes is not None or options.meaning is not Meaning.AUTO:
        return classes, options, []
    meaning = Meaning.OBJECTS if stated.objects else Meaning.CLASSES
    note = f"The numbers in the masks are {meaning}, as {NAME} beside them says."
    count = None if stated.objects else len(stated.labels) + 1
    return count, replace(options, meaning=meaning), [note]


def decide(
    contents: Mapping[str, Content], classes: int | None, options: MaskOptions
) -> tuple[Coding, list[str], dict[str, MaskError]]:
    """How masks are read, what a user should know of it, and the error of each mask that cannot be.

    contents: by the mask's name. `classes` counts the background; None: read from the masks.
    Raises PoolError for options that contradict each other.
    """
    if options.meaning is Meaning.OBJECTS and classes not in (None, 2):
        raise PoolError(
            f"found --mask-numbers objects with --classes {classes}, expected 2: all objects are of one"
            " class; leave one out."
        )
    problems = _no_masks(contents, classes, options.meaning)
    contents = {name: content for name, content in contents.items() if name not in problems}
    background = _coloured_background(list(contents.values()))
    coding, notes = _decide(contents, classes, options.meaning, background)
    if not coding.objects and options.meaning is Meaning.AUTO:
        problems |= _exchanged_palettes(contents)
        contents = {name: content for name, content in contents.items() if name not in problems}
    inverted = {name: content for name, content in contents.items() if options.inverts(name)}
    most = _most_common(list(inverted.values()))
    coding = replace(coding, most=most)
    if coding.objects:
        classes = 2
    else:
        coding = replace(coding, swapped=_swap(contents, inverted, most))
        coding, more = _with_levels(coding, contents, inverted, classes)
        notes += more
        classes = coding.classes if coding.levels else classes
    if not coding.objects:
        problems |= _not_ids(contents, coding, classes, options)
        plain = [
            coding.plain(c.numbers, options.inverts(name))
            for name, c in contents.items()
            if name not in problems
        ]
        coding = replace(coding, classes=infer_classes(plain) if classes is None else classes)
    for name, content in contents.items():
        try:
            coding.ids_of_numbers(content.numbers, content.areas, inverted=options.inverts(name), name=name)
        except MaskError as error:
            problems.setdefault(name, error)
    if inverted:
        zero = coding.objects and any(0 in content.numbers for content in inverted.values())
        which = "0 stands for the objects" if zero else f"the number {most} stands for the background"
        notes.append(f"Inverted: {len(inverted)} of {len(contents)} masks, in which {which}.")
    return coding, notes, problems


def _decide(
    contents: Mapping[str, Content], classes: int | None, meaning: Meaning, background: int
) -> tuple[Coding, list[str]]:
    if meaning is Meaning.OBJECTS:
        return Coding(2, objects=True, background=background), []
    coloured = any(content.coloured for content in contents.values())
    several = [content for content in contents.values() if content.present.sum() > 1]
    if coloured and not several and meaning is Meaning.AUTO:
        return Coding(2, objects=True, background=background), [
            "The masks are in colours: all but black is read as foreground."
        ]
    if meaning is Meaning.CLASSES or classes not in (None, 2):
        return Coding(classes or 2), []
    verdict = judge(list(contents.values()), background)
    if verdict is Verdict.OBJECTS:
        most = max(int((content.numbers != background).sum()) for content in contents.values())
        what = (
            "give each object a colour of its own"
            if coloured
            else f"number their objects (up to {most} in one)"
        )
        note = (
            f"The masks {what} and are read as one class, objects and background. If the numbers are classes:"
            " --mask-numbers classes."
        )
        return Coding(2, objects=True, background=background), [note]
    if verdict is Verdict.CLASSES_PERHAPS:
        note = (
            "The numbers in the masks are read as classes. If they number the objects of one class:"
            " --mask-numbers objects."
        )
        return Coding(classes or 2), [note]
    return Coding(classes or 2), []


def _no_masks(contents: Mapping[str, Content], classes: int | None, meaning: Meaning) -> dict[str, MaskError]:
    """The error of each mask that looks like an image, so that the others are not read by what it holds."""
    if meaning is not Meaning.AUTO or classes not in (None, 2):
        return {}
    return {
        name: MaskError(
            f"mask {name}: found {content.numbers.size} different values, scattered as in an image or a map"
            " of probabilities, expected class ids or object numbers; export the mask itself, or divide the"
            " values into objects and background (threshold). If they number objects: --mask-numbers objects."
        )
        for name, content in contents.items()
        if content.is_photograph and not content.coloured
    }


def _exchanged_palettes(contents: Mapping[str, Content]) -> dict[str, MaskError]:
    """The error of each mask whose palette shows a number in the colour that another number has in most
    masks: programs that make a palette for each file anew may give a class another number in each."""
    shown = {
        name: dict(zip(content.numbers.tolist(), content.colours.tolist(), strict=True))
        for name, content in contents.items()
        if content.colours is not None
    }
    votes: dict[int, Counter[int]] = defaultdict(Counter)
    for colours in shown.values():
        for number, colour in colours.items():
            votes[number][colour] += 1
    usual = {number: counted.most_common(1)[0][0] for number, counted in votes.items()}
    problems = {}
    for name, colours in shown.items():
        for number, colour in colours.items():
            others = [other for other, its in usual.items() if other != number and _alike(its, colour)]
            if others and not _alike(colour, usual[number]):
                problems[name] = MaskError(
                    f"mask {name}: its palette shows the number {number} in #{colour:06x}, in which other"
                    f" masks show {others[0]}, expected one colour for each class; save class ids as gray"
                    " PNGs, or all masks with one palette. If the numbers are right whatever the colours:"
                    " --mask-numbers classes; if all that is marked is one class: --mask-numbers objects."
                )
                break
    return problems


def _alike(one: int, other: int) -> bool:
    """Whether two colours, red, green and blue side by side, are nearly the same."""
    return all(abs((one >> shift & 255) - (other >> shift & 255)) <= SAME_COLOUR for shift in (0, 8, 16))


def _not_ids(
    contents: Mapping[str, Content], coding: Coding, classes: int | None, options: MaskOptions
) -> dict[str, MaskError]:
    """The error of each mask whose numbers cannot be class ids, whatever the others hold."""
    problems = {}
    for name, content in contents.items():
        try:
            if content.coloured:
                raise MaskError(
                    f"mask {name}: found {content.present.sum()} colours, expected one number a pixel; save"
                    " class ids 0, 1, 2, ... as a gray or palette PNG. If each object has a colour of its"
                    " own: --mask-numbers objects."
                )
            check_values(np.unique(coding.plain(content.numbers, options.inverts(name))), classes, name=name)
        except MaskError as error:
            problems[name] = error
    return problems


def _with_levels(
    coding: Coding, contents: Mapping[str, Content], inverted: Mapping[str, Content], classes: int | None
) -> tuple[Coding, list[str]]:
    """The coding with levels, if the masks hold evenly spaced grays from 0 to 255, or 0 and a single number
    too large for a class id."""
    numbers = [
        _mapped(c.numbers, coding.swapped) if name in inverted else c.numbers
        for name, c in contents.items()
        if not c.coloured
    ]
    union = np.unique(np.concatenate(numbers)) if numbers else np.zeros(0, dtype=np.int64)
    if union.size == 2 and union[0] == 0 and classes in (None, 2) and _only_white(contents):
        return replace(coding, levels=(0, int(union[1])), classes=2), []
    if union.size == 2 and union[0] == 0 and MAX_CLASSES <= union[1] != WHITE and classes in (None, 2):
        told = f"The number {union[1]} in the masks is read as the foreground."
        return replace(coding, levels=(0, int(union[1])), classes=2), [told]
    if (
        not 2 < union.size <= MOST_LEVELS
        or union[0] != 0
        or union[-1] != WHITE
        or classes not in (None, union.size)
    ):
        return coding, []
    if np.abs(union - np.linspace(0, WHITE, union.size)).max() > 1:
        return coding, []
    listed = ", ".join(map(str, union.tolist()))
    note = f"The grays {listed} in the masks are read as the classes 0 to {union.size - 1}."
    return replace(coding, levels=tuple(int(level) for level in union), classes=int(union.size)), [note]


def _only_white(contents: Mapping[str, Content]) -> bool:
    """Whether all masks are of palettes of which only black and white are used."""
    shown = [content.colours for content in contents.values()]
    return all(each is not None and set(each.tolist()) <= {0, WHITE_COLOUR} for each in shown)


def _swap(contents: Mapping[str, Content], inverted: Mapping[str, Content], most: int) -> dict[int, int]:
    """What the numbers of inverted class masks become:
    0 and the most common one are exchanged, or, where all masks are inverted and hold other numbers, the most
    common one becomes 0 and the others 1, 2, ..."""
    if not inverted:
        return {}
    numbers = sorted({int(n) for content in inverted.values() for n in content.numbers})
    if len(inverted) < len(contents) or set(numbers) <= {0, WHITE}:
        return {0: most, most: 0}
    return {most: 0} | {
        number: place for place, number in enumerate((n for n in numbers if n != most), start=1)
    }


def _most_common(contents: list[Content]) -> int:
    """The number that covers the most pixels of some masks; 0 of none."""
    areas: Counter[int] = Counter()
    for content in contents:
        areas.update(dict(zip(content.numbers.tolist(), content.areas.tolist(), strict=True)))
    if set(areas) <= {0, WHITE} or set(areas) <= {0, 1}:
        return max(areas, default=0)
    return areas.most_common(1)[0][0]


def _coloured_background(contents: list[Content]) -> int:
    """Black, or white where colours stand for numbers and white, but not black, is in every mask."""
    coloured = [content for content in contents if content.coloured]
    white = coloured and all(
        0 not in content.numbers and WHITE_COLOUR in content.numbers for content in coloured
    )
    return WHITE_COLOUR if white else 0


def _mapped(values: npt.NDArray[Any], numbers: Mapping[int, int]) -> npt.NDArray[Any]:
    """The values with some numbers exchanged for others, all at once."""
    result = values.copy() if not numbers else values.astype(np.int64)
    for number, other in numbers.items():
        result[values == number] = other
    return result
