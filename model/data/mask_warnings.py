"""What looks wrong in the masks of a folder, yet may be meant: told once, with the option that changes it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import numpy as np

from model.arrays import Array
from model.data.folders import shorten
from model.data.masks.class_ids import present_values
from model.data.masks.coding import ALL, Coding, MaskOptions
from model.data.masks.content import Content

HALF = 0.55
"""Share of the pixels in one number from which on it is asked whether that is the background."""
MOST_OF_THEM = 0.8
"""Share of the masks up to which those that mark more than half are named, as the others need no change."""
MOST_PROPOSED = 20
"""Masks that a proposed command names."""
NEARLY_ALL = 0.85
"""Share of the pixels in all numbers together from which on it is asked."""
THIN = 0.02
"""Share of a number's pixels that have only their like around them, below which it is an outline wherever it
occurs."""
FEW_CLASSES = 8
"""Classes above which it is asked whether the numbers count objects."""
VOID = (255, 65535, 2**31 - 1, 2**32 - 1)
"""Highest numbers of files of 8, 16 and 32 bits."""
MANY = 5
"""Masks from which on an id that only one of them has is pointed out."""


def id_warnings(found: Mapping[str, Array], classes: int) -> list[tuple[str, str]]:
    """Say which class ids look like slips of the pen, where `classes` was read from the masks:
    ids below the highest that no mask has, and ids that one mask alone has among at least MANY.

    found: name of each mask to its different numbers, 1-D ascending.
    Returns (name of a mask that has such an id, message).
    """
    having = {
        value: [name for name, values in found.items() if value in values] for value in range(1, classes)
    }
    remedy = (
        f"{classes} classes are assumed for it; correct the mask, or state the right number with --classes N"
    )
    notes = []
    if classes > FEW_CLASSES:
        name = next(name for name, values in found.items() if values[-1] == classes - 1)
        notes.append(
            (
                name,
                (
                    f"holds numbers up to {classes - 1}. If they count objects (as in masks of ImageJ or"
                    " Cellpose), add --mask-numbers objects, or set every object to 255, or to its class id;"
                    f" {remedy}."
                ),
            )
        )
    gaps = [str(value) for value, names in having.items() if not names]
    if gaps and having[classes - 1]:
        name = having[classes - 1][0]
        notes.append((name, f"has the class id {classes - 1}, but no mask has {', '.join(gaps)}. {remedy}."))
    for value, names in having.items():
        if classes > 2 and len(names) == 1 and len(found) >= MANY:
            notes.append(
                (names[0], f"is the only one of {len(found)} masks with the class id {value}. {remedy}.")
            )
    return notes


def mask_warnings(mask: Array) -> list[str]:
    """Say what looks wrong, yet may be meant, in class ids (H, W): nothing marked, or everything.
    Empty if nothing does."""
    found = present_values(mask)
    if not found.any():
        return [
            "no foreground: all pixels are background (0), expected some foreground unless the image is empty"
        ]
    if 0 not in found:
        return ["all foreground: no pixel is background (0); perhaps the mask is inverted?"]
    return []


def blurred_notes(contents: Mapping[str, Content]) -> list[str]:
    """One line for each kind of masks of which black and white was made."""
    kinds = sorted({content.blurred for content in contents.values() if content.blurred})
    notes = []
    for kind in kinds:
        names = [name for name, content in contents.items() if content.blurred == kind]
        which = (
            f"1 mask {kind} ({names[0]}) is"
            if len(names) == 1
            else f"{len(names)} masks {kind} ({shorten(names)}) are"
        )
        notes.append(f"{which} read as black and white, divided in the middle. PNG keeps masks exact.")
    return notes


def share_warnings(contents: Mapping[str, Content], coding: Coding, options: MaskOptions) -> list[str]:
    """Ask whether masks are inverted that mark most of the pixels, or of which one does unlike all others."""
    plain = {
        name: content
        for name, content in contents.items()
        if content.present.any() and not options.inverts(name)
    }
    if not plain:
        return []
    shares = {name: 1 - content.share(coding.background) for name, content in plain.items()}
    largest = {name: _largest(content, coding.background) for name, content in plain.items()}
    mean = float(np.mean(list(shares.values())))
    if np.mean([share for _, share in largest.values()]) > HALF or mean > NEARLY_ALL:
        most = [name for name, share in shares.items() if share > HALF]
        some = len(most) <= MOST_OF_THEM * len(plain)
        numbers = {number for number, _ in largest.values()}
        alone = float(np.mean([share for _, share in largest.values()]))
        one = (
            f", number {numbers.pop()} alone {alone:.0%}"
            if len(numbers) == 1 and mean - alone > 0.005
            else ""
        )
        who = (
            f"The mask marks {mean:.0%} of its pixels"
            if len(plain) == 1
            else f"The masks mark {mean:.0%} of the pixels on average"
        )
        if some:
            who = f"{len(most)} of {len(plain)} masks ({shorten(most)}) mark more than half of their pixels"
            one = ""
        return [
            f"{who} as foreground{one}. Where objects are dense, all is well; if it is the background that is"
            f" marked{' there' if some else ''} (inverted masks): {_remedy(most if some else [ALL])}."
        ]
    odd = [name for name in shares if _unlike_others(name, shares)]
    if not odd:
        return []
    marked, others = (
        np.mean([shares[name] for name in odd]),
        np.mean([share for name, share in shares.items() if name not in odd]),
    )
    return [
        f"{shorten(odd)}: {marked:.0%} of the pixels are marked as foreground, in the other masks"
        f" {others:.0%}. If background and objects are exchanged there (inverted): {_remedy(odd)}."
    ]


def thin_warnings(contents: Mapping[str, Content]) -> list[str]:
    """Ask about class ids that are outlines between a lower and a higher id wherever they occur, as a blended
    resizing leaves them."""
    areas: dict[int, int] = {}
    inside: dict[int, int] = {}
    for content in contents.values():
        if content.interior is None:
            continue
        for number, area, interior in zip(
            content.numbers.tolist(), content.areas.tolist(), content.interior.tolist(), strict=True
        ):
            areas[number] = areas.get(number, 0) + area
            inside[number] = inside.get(number, 0) + interior
    thin = [number for number, area in areas.items() if number > 0 and inside[number] < THIN * area]
    blended = [
        number for number in sorted(thin) if any(other > number and other not in thin for other in areas)
    ]
    if not blended:
        return []
    which = f"number {blended[0]} is" if len(blended) == 1 else f"numbers {', '.join(map(str, blended))} are"
    return [
        f"In all masks the {which} but a thin outline of others, as resizing with smoothing or JPEG leaves"
        " it. If no such class was drawn, export the masks again, resized without smoothing ('nearest')."
    ]


def void_warnings(contents: Mapping[str, Content], coding: Coding, options: MaskOptions) -> list[str]:
    """Ask about the highest number of a file type, far above the numbers of all other objects: many programs
    mark by it what nobody has labelled. Where it covers most, `share_warnings` asks."""
    plain = [c for name, c in contents.items() if c.present.sum() > 1 and not options.inverts(name)]
    for void in VOID if coding.objects else ():
        having = [content for content in plain if void in content.numbers]
        highest = max((int(content.numbers[content.numbers != void][-1]) for content in plain), default=0)
        if len(having) > HALF * len(plain) and highest < void - 1:
            if np.mean([content.share(void) for content in having]) > HALF:
                return []
            return [
                f"{len(having)} of {len(contents)} masks hold the number {void}, by which many programs mark"
                f" what nobody has labelled, beside objects numbered up to {highest}. It is read as an"
                " object, as they are. If it marks such places (void), give their pixels the number 0."
            ]
    return []


def _largest(content: Content, background: int) -> tuple[int, float]:
    """The number other than the background's that covers most of a mask, and its share."""
    areas = np.where(content.numbers == background, 0, content.areas)
    return int(content.numbers[areas.argmax()]), float(areas.max() / content.areas.sum())


def _unlike_others(name: str, shares: Mapping[str, float]) -> bool:
    """Whether one mask marks more than half, and would be much more like the others if it were inverted."""
    others = [share for other, share in shares.items() if other != name]
    if not others or shares[name] <= HALF:
        return False
    usual = float(np.median(others))
    return 2 * abs(1 - shares[name] - usual) < abs(shares[name] - usual)


def _remedy(names: list[str]) -> str:
    """The options that invert some masks, to be copied into a command."""
    listed = " ".join(f"--invert-masks {shlex.quote(name)}" for name in names[:MOST_PROPOSED])
    more = len(names) - MOST_PROPOSED
    return f"{listed} and so on for {more} more; or invert these files in ImageJ" if more > 0 else listed
