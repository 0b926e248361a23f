"""Masks that cannot be read as the others of their folder: the error of each, by which it alone is left
out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

from model.data.masks.class_ids import check_values, list_values
from model.data.masks.coding import Coding, MaskOptions, Meaning
from model.data.masks.content import Content
from model.errors import MaskError

SAME_COLOUR = 24
"""What red, green and blue of one colour may differ between palettes."""


def find_no_masks(
    contents: Mapping[str, Content], classes: int | None, options: MaskOptions
) -> dict[str, MaskError]:
    """The error of each mask that holds negative numbers, unlike others, or looks like an image:
    so that the others are not read by what it holds."""
    negative = {
        name: MaskError(
            f"mask {name}: found the number {content.numbers[0]}, which not all masks have, expected 0 and"
            " above; give the background, and lines between objects, the number 0."
        )
        for name, content in contents.items()
        if content.numbers[0] < 0 and not options.inverts(name)
    }
    if len(negative) == len(contents):
        negative = {}
    if options.meaning is not Meaning.AUTO or classes not in (None, 2):
        return negative
    return negative | {
        name: MaskError(
            f"mask {name}: found {content.numbers.size} different values, scattered as in an image or a map"
            " of probabilities, expected class ids or object numbers; export the mask itself, or divide the"
            " values into objects and background (threshold). If they number objects: --mask-numbers objects."
        )
        for name, content in contents.items()
        if content.is_photograph and not content.coloured
    }


def find_exchanged_palettes(contents: Mapping[str, Content]) -> dict[str, MaskError]:
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


def find_no_ids(
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
            problems[name] = _blended(name, content) if content.has_blended_edges else error
    return problems


def _blended(name: str, content: Content) -> MaskError:
    return MaskError(
        f"mask {name}: found the values {list_values(content.numbers)}, of which those between lie along"
        " edges, as resizing or smoothing leaves them, expected 0/255 or class ids; export it without"
        " smoothing ('nearest'), or divide the values into objects and background (threshold)."
    )


def _alike(one: int, other: int) -> bool:
    """Whether two colours, red, green and blue side by side, are nearly the same."""
    return all(abs((one >> shift & 255) - (other >> shift & 255)) <= SAME_COLOUR for shift in (0, 8, 16))
