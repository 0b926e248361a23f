"""One number a pixel, from the channels, colours or palette of a mask file."""

from typing import NamedTuple

import numpy as np

from model.arrays import Array
from model.data.images.tiff import Decoded
from model.data.masks.class_ids import MAX_CLASSES, WHITE, present_values
from model.errors import MaskError

GRAYISH = 24
"""Most that the channels of a gray JPEG saved in colours differ."""
PIXELS_PER_COLOUR = 16
"""Fewer pixels for each colour are a photograph, not a mask."""


class Stored(NamedTuple):
    """The numbers of a mask file, and how they were found."""

    values: Array
    """Integers (H, W)."""
    coloured: bool = False
    """The file is in colours, which stand for numbers:
    red, green and blue written side by side, so that black is 0."""
    blurred: str = ""
    """Why black and white was made of it, in words; empty if it was not."""
    turned: bool = False
    """The file says itself how its image is turned."""
    colours: Array | None = None
    """Of a palette whose numbers are kept: the colour of each of the different numbers, ascending, (n,), as
    in `coloured`."""


def number_pixels(decoded: Decoded, name: str) -> Stored:
    """One number a pixel of a mask file, whatever its channels.

    Raises MaskError for colours that cannot stand for numbers, and for channels that hold something of their
    own.
    """
    return _one_channel(decoded, name) if decoded.palette is None else _of_palette(decoded)


def _of_palette(decoded: Decoded) -> Stored:
    """The numbers of a palette image, or what its colours stand for: black and white are a binary mask in
    whatever order they come, and black is the background unless black or white comes first."""
    assert decoded.palette is not None
    indices, used = decoded.array, present_values(decoded.array)
    palette: Array = np.zeros((max(len(decoded.palette), int(used[-1]) + 1), 3), dtype=np.uint8)
    palette[: len(decoded.palette)] = decoded.palette
    black, white = (palette == 0).all(axis=1), (palette == WHITE).all(axis=1)
    colours = _numbered(palette[None])[0]
    if (black | white)[used].all():
        # The white of a palette with further colours may be a class, if it has the number of one.
        if not black[0] or (black | white).all() or used[-1] >= MAX_CLASSES:
            return Stored((white[indices] * WHITE).astype(np.uint8))
    elif black[used].any() and used[0] == 0 and not (black | white)[0]:
        if (palette == palette[:, :1])[used].all():
            return Stored(palette[:, 0][indices])
        return Stored(colours[indices], coloured=True)
    return Stored(indices, colours=colours[used])


def _one_channel(decoded: Decoded, name: str) -> Stored:
    """(H, W), (H, W, 1 to 4) to (H, W), and whether colours were numbered for it.
    An alpha channel must hold nothing of its own."""
    lossy = decoded.lossy
    if decoded.array.ndim == 2:
        return Stored(decoded.array)
    colours = _without_alpha(decoded, name)
    if (colours == colours[..., :1]).all():
        return Stored(colours[..., 0])
    if lossy and np.ptp(colours.astype(np.int16), axis=2).max() <= GRAYISH:
        return Stored(colours[..., 1])  # gray saved in the colours of JPEG
    if colours.dtype.kind == "u" and colours.dtype.itemsize <= 2 and not lossy:
        numbers = _numbered(colours)
        if len(np.unique(numbers)) <= numbers.size / PIXELS_PER_COLOUR:
            return Stored(numbers, coloured=True)
    cause = "; JPEG is lossy and blends colours" if lossy else ""
    raise MaskError(
        f"mask {name}: found colours{cause}, expected one number a pixel; save class ids 0, 1, 2, ... as a"
        " gray or palette PNG."
    )


def _without_alpha(decoded: Decoded, name: str) -> Array:
    """The channels of a mask, (H, W, 1 to 3). Raises MaskError for transparency that holds the mask, and for
    further channels that are none."""
    values = decoded.array
    if values.shape[2] not in (2, 4):
        return values
    colours, last = values[..., :-1], values[..., -1]
    even = last.min() == last.max()
    if decoded.alpha:
        if not even and (colours == colours[:1, :1]).all():
            raise MaskError(
                f"mask {name}: only the transparency (alpha) varies, expected ids in the pixels; save it as a"
                " gray PNG without alpha."
            )
        return colours
    if (values == values[..., :1]).all() or (even and (values.shape[2] == 4 or last.max() > 0)):
        return colours
    raise MaskError(
        f"mask {name}: found {values.shape[2]} channels, none marked as transparency, expected one number a"
        " pixel; if each channel shows one class, save class ids 0, 1, 2, ... as a gray PNG."
    )


def _numbered(colours: Array) -> Array:
    """Colours, unsigned integers of up to 16 bits (H, W, C), as one number each, int64 (H, W), black 0."""
    numbers = np.zeros(colours.shape[:2], dtype=np.int64)
    for channel in range(colours.shape[2]):
        numbers = (numbers << 8 * colours.dtype.itemsize) | colours[..., channel]
    return numbers
