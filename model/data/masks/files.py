"""Files of masks: read as the numbers that they hold, and written."""

from pathlib import Path

import numpy as np
from PIL import Image

from model.arrays import Array
from model.data.images.reading import decode, read_bytes
from model.data.masks.channels import Stored, number_pixels
from model.data.masks.class_ids import WHITE, is_black_white, list_values, present_values
from model.data.masks.two_levels import find_foreground
from model.errors import ImageError, MaskError
from model.files import write_atomically

LARGEST_FLOAT = 2**31
"""Largest number of a mask in floats that is believed to be one."""


def read_stored(path: str | Path, *, shape: tuple[int, int] | None = None) -> Stored:
    """Read the numbers of a mask file as stored, and how they were found.

    Black and white with blurred edges becomes 0/255; colours become numbers, black 0 (see `Stored.coloured`).
    Raises MaskError if the file is unreadable, not of `shape` (height, width), or of a format that changes
    ids.
    """
    try:
        decoded = decode(read_bytes(Path(path)), str(path), stored=True)
    except ImageError as error:
        raise MaskError(f"mask {error}") from error
    stored = number_pixels(decoded, str(path))
    values = _whole_numbers(stored.values, str(path))
    if values.dtype == np.uint16 and values.max() == 2**16 - 1 and np.isin(values, (0, 2**16 - 1)).all():
        values = (values // 257).astype(np.uint8)  # black and white in 16 bits
    if shape is not None and values.shape != tuple(shape):
        turned = (
            " (width and height are exchanged: is one of them turned by its EXIF orientation, or the mask"
            " transposed? Draw the mask on the image as displayed)"
            if values.shape == tuple(shape[::-1])
            else ""
        )
        found, expected = (f"{w} x {h} pixels (width x height)" for h, w in (values.shape, shape))
        raise MaskError(
            f"mask {path}: found {found}, but its image has {expected}{turned}; export the mask at the size"
            " of its image."
        )
    return _sharpened(stored._replace(values=values, turned=decoded.turned), decoded.lossy, str(path))


def _whole_numbers(values: Array, name: str) -> Array:
    """Integers as they are, floats and uint64 as int64, (H, W).
    Raises MaskError for fractions and numbers that are too large."""
    floats = values.dtype.kind == "f"
    if not floats and values.dtype != np.uint64:
        return values
    if floats and not (values == np.rint(values)).all():
        raise MaskError(
            f"mask {name}: found fractions, expected whole class ids; save class ids as an 8-bit PNG. If"
            " these are probabilities or smoothed edges, divide them into objects and background (threshold)."
        )
    most = LARGEST_FLOAT if floats else np.iinfo(np.int64).max
    largest = max(int(values.max()), int(values.min()), key=abs)
    if abs(largest) > most:
        raise MaskError(
            f"mask {name}: found the number {largest}, expected class ids or object numbers up to {most};"
            " renumber them from 0, and save them as an 8 or 16-bit PNG."
        )
    return values.astype(np.int64)


def _sharpened(stored: Stored, lossy: bool, name: str) -> Stored:
    """Black and white in place of what a lossy format or a resizing has made of it.
    Raises MaskError for other lossy masks."""
    found = present_values(stored.values)
    if stored.coloured or is_black_white(found):
        return stored
    foreground = find_foreground(stored.values, lossy=lossy) if stored.values.dtype == np.uint8 else None
    if foreground is not None:
        return Stored(
            (foreground * WHITE).astype(np.uint8),
            blurred="in a lossy format (JPEG, WebP)" if lossy else "with gray edges",
            turned=stored.turned,
        )
    if lossy:
        raise MaskError(
            f"mask {name}: found {found.size} different values ({list_values(found)}) in a lossy format,"
            " expected 0 and 255 alone. JPEG is lossy, as WebP, JPEG XR and LERC may be, and changes numbers;"
            " save masks as PNG, from the original, not from this file."
        )
    return stored


def write_mask(path: str | Path, mask: Array, *, white: bool = False) -> None:
    """Write class ids, integers or bool (H, W), as an 8-bit gray PNG;
    with `white` a binary mask is written as 0/255, else ids as they are.

    The file appears whole or not at all.
    Raises MaskError if `path` is not a .png, or the mask is not 2-D, or the ids do not fit.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise MaskError(
            f"mask {path}: found the extension {path.suffix!r}, expected .png, which keeps ids exactly;"
            " rename it."
        )
    top = 1 if white else 255
    if mask.ndim != 2 or mask.size == 0 or mask.dtype.kind not in "bui" or mask.min() < 0 or mask.max() > top:
        span = f"values {mask.min()} to {mask.max()}" if mask.size else "no values"
        remedy = "; write ids instead (white=False)" if white else "; pass class ids"
        raise MaskError(
            f"mask {path}: found {mask.dtype} {mask.shape} with {span}, expected whole numbers 0 to {top} in"
            f" (H, W){remedy}."
        )
    ids = mask.astype(np.uint8) * np.uint8(WHITE if white else 1)
    try:
        with write_atomically(path) as file:
            Image.fromarray(ids).save(file, format="PNG")
    except OSError as error:
        raise MaskError(
            f"mask {path}: cannot be written ({error.strerror or error}); check that the folder exists and"
            " has room."
        ) from error
