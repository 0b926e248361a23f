"""Which coding the masks of a folder have: decided for all of them together, and said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from model.data.masks.class_ids import MAX_CLASSES, WHITE, infer_classes
from model.data.masks.coding import Coding, MaskOptions, Meaning, map_numbers
from model.data.masks.content import Content
from model.data.masks.misfits import find_exchanged_palettes, find_no_ids, find_no_masks
from model.data.masks.numbered_objects import Verdict, are_pieces, find_lines, judge
from model.errors import MaskError, PoolError

MOST_LEVELS = 8
"""Evenly spaced grays up to this many, from black to white, are classes."""
WHITE_COLOUR = 0xFFFFFF


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
    problems = find_no_masks(contents, classes, options)
    while True:
        usable = {name: content for name, content in contents.items() if name not in problems}
        coding, notes, refused = _read_together(usable, classes, options)
        problems |= refused
        if not refused or len(problems) == len(contents):
            return coding, notes, problems


def _read_together(
    contents: Mapping[str, Content], classes: int | None, options: MaskOptions
) -> tuple[Coding, list[str], dict[str, MaskError]]:
    """As `decide`, by what all these masks hold, also those that are refused in the end."""
    problems: dict[str, MaskError] = {}
    inverted = {name: content for name, content in contents.items() if options.inverts(name)}
    most = _most_common(list(inverted.values()))
    background = _coloured_background(list(contents.values()))
    if most < 0 and len(inverted) == len(contents):
        background = most  # so that it is not taken for an object
    coding, notes = _decide(contents, classes, options.meaning, background)
    if not coding.objects and options.meaning is Meaning.AUTO:
        problems |= find_exchanged_palettes(contents)
        contents = {name: content for name, content in contents.items() if name not in problems}
        inverted = {name: content for name, content in inverted.items() if name not in problems}
        most = _most_common(list(inverted.values()))
    coding = replace(coding, most=most)
    if coding.objects:
        lines = find_lines(list(inverted.values()), most)
        pieces = not lines and are_pieces(list(inverted.values()), most)
        coding = replace(coding, pieces=pieces, lines=lines)
        classes = 2
    else:
        coding = replace(coding, swapped=_swap(contents, inverted, most))
        coding, more = _with_levels(coding, contents, inverted, classes)
        notes += more
        classes = coding.classes if coding.levels else classes
    if not coding.objects:
        problems |= find_no_ids(contents, coding, classes, options)
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
        which = (
            "0 stands for the objects" if coding.pieces else f"the number {most} stands for the background"
        )
        if coding.lines:
            around = " and ".join(map(str, coding.lines))
            which += (
                f", and {around} for lines around the objects, which count as background; if these lines are"
                " the objects (fibres), save them as 255 on 0"
            )
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
        return Coding(2, objects=True, background=background), [_of_colours(contents, background)]
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


def _of_colours(contents: Mapping[str, Content], background: int) -> str:
    """How masks of one colour each are read."""
    colours = {int(n) for content in contents.values() for n in content.numbers} - {0, background}
    if len(colours) < 2:
        return "The masks are in colours: all but black is read as foreground."
    return (
        f"The masks are in {len(colours)} colours, one in each mask: all but black is read as foreground, one"
        " class. If each colour is a class of its own, save class ids 0, 1, 2, ... as gray PNGs."
    )


def _with_levels(
    coding: Coding, contents: Mapping[str, Content], inverted: Mapping[str, Content], classes: int | None
) -> tuple[Coding, list[str]]:
    """The coding with levels, if the masks hold evenly spaced grays from 0 to 255, or 0 and a single number
    too large for a class id."""
    numbers = [
        map_numbers(c.numbers, coding.swapped) if name in inverted else c.numbers
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
