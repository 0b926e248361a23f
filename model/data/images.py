"""Images as labs keep them (PNG, JPEG, TIFF, BMP, WebP; 8 to 32 bit;
gray, colour, palette) become float32 arrays a network can read.

Everything works on `bytes`, so that a file and an HTTP answer take the same way.
Orientation is always that of the image as
displayed: EXIF and TIFF orientation tags are applied before anyone sees the array.
"""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from model.arrays import Array
from model.data import tiff
from model.data.image_header import MIN_SIDE, Header, check_size, explain, read_header, unreadable
from model.data.tiff import Decoded
from model.errors import ImageError

# Of transparency in a palette, which is not looked at.
warnings.filterwarnings("ignore", "Palette images with Transparency", UserWarning, "PIL")

BLOCK_PIXELS = 1 << 22
"""Pixels of a large image that are worked on at once, 4 million: as many as an image of 2048 x 2048 has."""
CLIP_FRACTION = 0.001
"""Share of pixels cut off at either end of the intensities before standardising:
hot and dead pixels, glare."""
CLIP_PIXELS = 32
"""At most this many pixels' worth is cut:
0.1 % of a 2048 x 2048 image is more than the area of five nuclei, which may be all there are."""
LOSSY = ("JPEG", "MPO", "WEBP")
"""Formats of files that do not keep values exactly."""


def read_image(path: str | Path, *, max_side: int | None = None) -> Array:
    """Read an image file as a normalised float32 array (H, W, 3), shrunk so that no side exceeds `max_side`
    pixels.

    Raises ImageError if the file is missing, unreadable, truncated, smaller than MIN_SIDE, a stack, constant,
    or holds NaN or infinity.
    """
    return normalise(shrink(read_raw(path), max_side), name=str(path))


def decode_image(data: bytes, name: str, *, max_side: int | None = None) -> Array:
    """Turn the bytes of an image file into a normalised float32 array (H, W, 3);
    `name` is what errors call it. Raises as `read_image`."""
    return normalise(shrink(decode_raw(data, name), max_side), name=name)


def read_raw(path: str | Path, *, stored: bool = False) -> Array:
    """Read an image file as an array (H, W) or (H, W, 3) in its own dtype, as displayed.
    `stored` as in `decode_raw`. Raises ImageError."""
    return decode_raw(read_bytes(Path(path)), str(path), stored=stored)


def decode_raw(data: bytes, name: str, *, stored: bool = False) -> Array:
    """Decode the bytes of an image file to (H, W) or (H, W, 3) in its own dtype, orientation applied, alpha
    dropped.

    With `stored`, the numbers of the file are kept, which is what masks need:
    palette indices instead of colours, gray of 2 or 4 bits unscaled, no inversion of white-is-zero TIFFs, and
    an alpha channel, if any, as the last: (H, W, 2) or (H, W, 4).
    Raises ImageError (see `read_image`), except that a constant image passes.
    """
    return decode(data, name, stored=stored).array


def decode(data: bytes, name: str, *, stored: bool = False) -> Decoded:
    """As `decode_raw`, with what was not certain in reading it."""
    header = read_header(io.BytesIO(data), name)
    check_size(header, name)
    try:
        decoded = _pixels(data, header, name, stored)
    except (ImageError, MemoryError):
        raise
    except (
        Exception
    ) as error:  # decoders raise anything: OSError, SyntaxError, ValueError, struct.error, codecs' own
        raise ImageError(
            f"{name}: the {header.kind} data is truncated or damaged ({explain(error)}); copy or export the"
            " file again."
        ) from error
    array = decoded.array
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ImageError(
            f"{name}: {bad} values are NaN or infinite, expected finite intensities; replace them and save"
            " the image again."
        )
    turned = np.ascontiguousarray(_orient(array, header.orientation))
    return decoded._replace(array=turned, turned=header.orientation != 1)


def working_size(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    """Scale (height, width) down so that the longer side is `max_side`, keeping the aspect ratio; never up.

    Of a long strip the shorter side stays at MIN_SIDE, if it had that, and the longer one above `max_side`:
    a network sees nothing in less. Raises ImageError if `max_side` is below MIN_SIDE.
    """
    if max_side is None:
        return size
    if max_side < MIN_SIDE:
        raise ImageError(
            f"max_side is {max_side} pixels, expected at least {MIN_SIDE}; leave it out for full resolution."
        )
    longest = max(size)
    if longest <= max_side:
        return size
    scaled = round(size[0] * max_side / longest), round(size[1] * max_side / longest)
    if min(scaled) < MIN_SIDE:
        shorter = min(size)
        kept = min(shorter, MIN_SIDE)
        scaled = round(size[0] * kept / shorter), round(size[1] * kept / shorter)
    return scaled


def decode_shrunk(data: bytes, name: str, max_side: int | None) -> tuple[Array, tuple[int, int]]:
    """The image at `working_size`, (H, W) or (H, W, 3) not normalised, and (height, width) of the whole one,
    which is gone again by then.

    Raises as `decode_raw`.
    """
    small, size, _ = decode_to_size(data, name, max_side)
    return small, size


def decode_to_size(data: bytes, name: str, max_side: int | None) -> tuple[Array, tuple[int, int], str]:
    """As `decode_shrunk`, and what was assumed in reading the image, in words."""
    decoded = decode(data, name)
    height, width = decoded.array.shape[:2]
    return shrink(decoded.array, max_side), (height, width), decoded.assumed


def shrink(raw: Array, max_side: int | None) -> Array:
    """Average pixels of (H, W) or (H, W, 3) over areas to `working_size`: float32;
    unchanged if it is small enough."""
    size = working_size((raw.shape[0], raw.shape[1]), max_side)
    return raw if size == raw.shape[:2] else resample(raw, size)


def resample(array: Array, size: tuple[int, int]) -> Array:
    """Resize (H, W) or (H, W, C) to `size` = (height, width) by box averaging, channel by channel:
    float32."""
    planes = array[..., None] if array.ndim == 2 else array
    result: Array = np.empty((*size, planes.shape[2]), dtype=np.float32)
    scale = array.shape[0] / size[0]
    for start, end in row_blocks(size[0], round(array.shape[1] * max(1.0, scale))):
        top, bottom = start * scale, end * scale
        first, last = max(0, int(top) - 1), min(array.shape[0], int(bottom) + 2)
        for channel in range(planes.shape[2]):
            rows = Image.fromarray(np.ascontiguousarray(planes[first:last, :, channel], dtype=np.float32))
            box = (0, max(0.0, top - first), array.shape[1], min(bottom - first, last - first))
            result[start:end, :, channel] = rows.resize((size[1], end - start), Image.Resampling.BOX, box=box)
    return result[..., 0] if array.ndim == 2 else result


def row_blocks(rows: int, width: int) -> Iterator[tuple[int, int]]:
    """(first, end) of blocks of whole rows of `width` pixels that hold BLOCK_PIXELS at most;
    of a small image, all of its rows.

    All but the last have a multiple of 8 rows. What is worked out block by block needs memory for one only.
    """
    step = max(8, BLOCK_PIXELS // max(1, width) // 8 * 8)
    for first in range(0, rows, step):
        yield first, min(rows, first + step)


def normalise(raw: Array, *, name: str = "image") -> Array:
    """Standardise intensities (H, W) or (H, W, 3) of any real dtype to float32 (H, W, 3):
    outliers clipped, mean 0, deviation 1.

    Clip and moments are taken jointly over the channels, so that colours keep their relation;
    the result does not depend on the scale or offset of the intensities (8 or 16 bit).
    Gray is repeated in three channels.
    Raises ImageError for NaN or infinity, a constant image, no pixels, or another shape;
    `name` is what the error calls the image.
    """
    if (
        raw.ndim not in (2, 3)
        or (raw.ndim == 3 and raw.shape[2] != 3)
        or raw.size == 0
        or raw.dtype.kind not in "buif"
    ):
        raise ImageError(
            f"{name}: found shape {raw.shape} of {raw.dtype}, expected real numbers in (H, W) or (H, W, 3);"
            " convert it first."
        )
    values: Array = raw.astype(np.float32 if raw.dtype.itemsize <= 2 else np.float64)
    if not np.isfinite(values).all():
        raise ImageError(
            f"{name}: holds NaN or infinite values, expected finite intensities; replace them and save the"
            " image again."
        )
    # Dark fluorescence is only clipped, not compressed:
    # on the 54 fluorescence images of DSB 2018 the best single threshold common to all reaches dice 0.880 on
    # the linear scale, 0.871 after a square root, 0.876 after asinh(10 x), although these bring the largest
    # value from 14.5 down to 9.9 and 9.5 deviations.
    share = min(CLIP_FRACTION, CLIP_PIXELS / (raw.shape[0] * raw.shape[1]))
    low, high = (float(value) for value in np.quantile(values, [share, 1 - share]))
    if (
        not high > low
    ):  # less than the clipped share differs from the rest: a black image with a few bright pixels
        low, high = float(values.min()), float(values.max())
    half = high / 2 - low / 2  # halves, because high - low overflows for floats near the largest
    if not half > 0:
        raise ImageError(
            f"{name}: every pixel has the value {low:g}, expected an image with contrast; export it again."
        )
    unit = np.clip((values / 2 - low / 2) / half, 0, 1)
    unit -= unit.mean(dtype=np.float64)
    unit /= unit.std(dtype=np.float64)
    result = unit.astype(np.float32, copy=False)
    return np.repeat(result[..., None], 3, axis=2) if result.ndim == 2 else result


def read_bytes(path: Path) -> bytes:
    """The bytes of an image file. Raises ImageError when it cannot be opened."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, for ever
            raise ImageError(f"{path}: is no file, expected an image; move it out of the folder.")
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def _orient(array: Array, orientation: int) -> Array:
    """Turn and mirror a stored array as EXIF orientation 1 to 8 demands."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array[:, ::-1] if orientation in (2, 3, 6, 7) else array


def _pixels(data: bytes, header: Header, name: str, stored: bool) -> Decoded:
    if header.kind == "TIFF":
        return tiff.read_pixels(data, name, stored)
    exact = header.kind == "WEBP" and data[12:16] == b"VP8L"  # WebP has a lossless kind
    return _pixels_of_others(data, header, stored)._replace(lossy=header.kind in LOSSY and not exact)


def _pixels_of_others(data: bytes, header: Header, stored: bool) -> Decoded:
    if header.kind == "PNG" and header.gray_bits == 16:  # Pillow would silently reduce 16-bit colour to 8 bit
        array = np.asarray(imagecodecs.png_decode(data))
        alpha = array.ndim == 3 and array.shape[2] in (2, 4)
        array = array if stored or not alpha else array[..., :-1]
        array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
        return Decoded(array, alpha=stored and alpha)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        if stored:
            return _stored_pixels(image, header.gray_bits)
        return Decoded(converted(image, _plain_mode(image.mode)))


def converted(image: Image.Image, mode: str) -> Array:
    """The pixels of a loaded image, uint8 (H, W[, C]), in another mode of Pillow's, made a block of rows at a
    time."""
    result: Array = np.empty(
        (image.height, image.width, *([len(mode)] if len(mode) > 1 else [])), dtype=np.uint8
    )
    for first, end in row_blocks(image.height, image.width):
        result[first:end] = image.crop((0, first, image.width, end)).convert(mode)
    return result


def _plain_mode(mode: str) -> str:
    return "L" if mode in ("1", "L", "LA") else "RGB"


def _stored_pixels(image: Image.Image, gray_bits: int) -> Decoded:
    if image.mode == "P":
        colours = np.array(image.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
        return Decoded(np.asarray(image), palette=colours)
    if image.mode == "1":
        return Decoded(np.asarray(image.convert("L")))
    if image.mode == "L" and gray_bits in (2, 4):  # Pillow spreads them over 0 to 255
        return Decoded(np.asarray(image) // np.uint8(255 // (2**gray_bits - 1)))
    plain = image if image.mode in ("L", "LA", "RGB", "RGBA") else image.convert("RGB")
    return Decoded(np.asarray(plain), alpha=plain.mode in ("LA", "RGBA"))
