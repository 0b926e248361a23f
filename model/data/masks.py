"""Masks:
which class every pixel of an image belongs to, as uint8 ids with 0 for background, and their files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from model.arrays import Array
from model.data.images import BLOCK_PIXELS, decode, read_bytes, resample
from model.data.tiff import Decoded
from model.data.two_levels import find_foreground
from model.errors import ImageError, MaskError
from model.files import write_atomically

MAX_CLASSES = 32
"""Largest number of classes believed without being told;
more values than that are blurred edges or object numbers."""
FEW_CLASSES = 8
"""Classes above which it is asked whether the numbers count objects."""
MANY = 5
"""Masks from which on an id that only one of them has is pointed out."""
WHITE = 255
"""The foreground of a binary mask as drawn by ImageJ, Label Studio and most others."""

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


def read_mask(path: str | Path, *, shape: tuple[int, int], classes: int | None = None) -> Array:
    """Read a mask file as class ids, uint8 (H, W), 0 = background.

    `shape` is (height, width) of its image as displayed; `classes` counts the background.
    Files may hold 0/255 (two classes only), ids 0 to classes - 1, three equal channels, or a palette, whose
    indices then are the ids, if black or white is the first. Raises MaskError for anything else.
    """
    return class_ids(read_values(path, shape=shape), classes, name=str(path))


def read_values(path: str | Path, *, shape: tuple[int, int] | None = None) -> Array:
    """Read the numbers of a mask file as stored, integers (H, W): 0/255 stay 0/255.
    Raises MaskError as `read_stored`."""
    return read_stored(path, shape=shape).values


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
    stored = _one_channel(decoded, str(path)) if decoded.palette is None else _of_palette(decoded)
    values = stored.values
    if values.dtype.kind == "f":
        if not (values == np.rint(values)).all() or np.abs(values).max() > 2**31:
            raise MaskError(
                f"mask {path}: found fractions, expected whole class ids; save class ids as an 8-bit PNG."
            )
        values = values.astype(np.int64)
    if values.dtype == np.uint16 and values.max() == 2**16 - 1 and np.isin(values, (0, 2**16 - 1)).all():
        values = (values // 257).astype(np.uint8)  # black and white in 16 bits
    if shape is not None and values.shape != tuple(shape):
        turned = (
            " (width and height are exchanged: is the image turned by its EXIF orientation, or the mask"
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


def _sharpened(stored: Stored, lossy: bool, name: str) -> Stored:
    """Black and white in place of what a lossy format or a resizing has made of it.
    Raises MaskError for other lossy masks."""
    found = present_values(stored.values)
    if stored.coloured or _is_black_white(found):
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
            f"mask {name}: found {found.size} different values ({_listed(found)}) in a lossy format, expected"
            " 0 and 255 alone. JPEG is lossy, as WebP may be, and changes numbers; save masks as PNG, from"
            " the original, not from this file."
        )
    return stored


def class_ids(values: Array, classes: int | None = None, *, name: str = "mask") -> Array:
    """Turn the stored numbers of a mask, integers or bool (H, W), into class ids, uint8 (H, W).
    Raises MaskError as `check_values`."""
    found = present_values(values)
    check_values(found, classes, name=name)
    if classes in (None, 2) and _is_black_white(found):
        return (values == WHITE).astype(np.uint8)
    return values.astype(np.uint8)


def present_values(values: Array) -> Array:
    """List the different numbers in a mask, ascending, 1-D."""
    if values.dtype == np.uint8:  # np.unique sorts all pixels; counting is 20 times faster
        flat, counts = values.ravel(), np.zeros(256, dtype=np.intp)
        for first in range(0, flat.size, BLOCK_PIXELS):  # as it takes 8 bytes a pixel
            counts += np.bincount(flat[first : first + BLOCK_PIXELS], minlength=256)
        return np.flatnonzero(counts)
    return np.unique(values)


def check_values(found: Array, classes: int | None, *, name: str = "mask") -> None:
    """Check the different values `found` in a mask (1-D, ascending):
    0/255 where `classes` is 2 or None, else ids below `classes`.

    Without `classes`, ids must be below MAX_CLASSES. Raises MaskError.
    """
    if classes is not None and not 2 <= classes <= 256:
        raise MaskError(f"classes is {classes}, expected 2 (background and foreground) to 256.")
    if found.size == 0:
        raise MaskError(f"mask {name}: holds no pixels; export it again.")
    limit = MAX_CLASSES if classes is None else classes
    if (classes in (None, 2) and _is_black_white(found)) or (found[0] >= 0 and found[-1] < limit):
        return
    listed = _listed(found)
    if found.size > max(8, limit):
        remedy = (
            "if they count objects (as ImageJ and Cellpose write them), add --mask-numbers objects, or set"
            " every object to 255 or its class id; JPEG is lossy and blurs ids: save masks as PNG"
        )
        raise MaskError(
            f"mask {name}: found {found.size} different values ({listed}), expected at most {limit} class"
            f" ids; {remedy}."
        )
    expected = f"{'0/255, or ' if classes in (None, 2) else ''}class ids 0 to {limit - 1}"
    raise MaskError(
        f"mask {name}: found the values {listed}, expected {expected}; renumber them, or correct the number"
        " of classes."
    )


def infer_classes(masks: Iterable[Array | str | Path]) -> int:
    """Count the classes, background included, in masks given as arrays of stored numbers or as files.

    2 if all are 0/255 or 0/1, else the largest id + 1.
    If some are 0/255 and others hold ids above 1, the kind of which there are more decides;
    the others are then in conflict with the result.
    Raises MaskError for unreadable masks and values that are no ids.
    """
    highest, white, several = 1, 0, 0
    for number, mask in enumerate(masks):
        values, name = (
            (mask, f"number {number}") if isinstance(mask, np.ndarray) else (read_values(mask), str(mask))
        )
        found = present_values(values)
        check_values(found, None, name=name)
        white += int(found[-1] == WHITE)
        if 1 < found[-1] != WHITE:
            several, highest = several + 1, max(highest, int(found[-1]))
    return 2 if white > several else highest + 1


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


def resize_mask(mask: Array, shape: tuple[int, int]) -> Array:
    """Resize class ids, uint8 (H, W), to `shape` = (height, width):
    by majority where it shrinks, nearest pixel where it grows.

    Majority: a new pixel gets the class that covers most of its area, the lower id at a tie.
    It keeps areas, while nearest would pick single pixels;
    structures thinner than half a new pixel vanish either way.
    """
    if mask.shape == tuple(shape):
        return mask.copy()
    if shape[0] >= mask.shape[0] and shape[1] >= mask.shape[1]:
        grown = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8)).resize(
            (shape[1], shape[0]), Image.Resampling.NEAREST
        )
        return np.array(grown)
    found = present_values(mask)
    result: Array = np.zeros(shape, dtype=np.uint8)
    best: Array = np.full(shape, -1, dtype=np.float32)
    for value in found.tolist():
        cover = resample(mask == value, shape)
        won = cover > best + 1e-6
        result[won], best = value, np.maximum(best, cover)
    return result


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


def _is_black_white(found: Array) -> bool:
    return bool(found.size) and bool(np.isin(found, (0, WHITE)).all())


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


def _numbered(colours: Array) -> Array:
    """Colours, unsigned integers of up to 16 bits (H, W, C), as one number each, int64 (H, W), black 0."""
    numbers = np.zeros(colours.shape[:2], dtype=np.int64)
    for channel in range(colours.shape[2]):
        numbers = (numbers << 8 * colours.dtype.itemsize) | colours[..., channel]
    return numbers


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


def _listed(found: Array) -> str:
    return ", ".join(map(str, found.tolist() if found.size <= 8 else [*found[:5].tolist(), "...", found[-1]]))
