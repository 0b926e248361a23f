"""Images as labs keep them (PNG, JPEG, TIFF, BMP, WebP; 8 to 32 bit; gray, colour, palette) become arrays.

Everything works on `bytes`, so that a file and an HTTP answer take the same way.
Orientation is always that of the image as displayed: EXIF and TIFF orientation tags are applied before anyone
sees the array.
"""

import io
import warnings
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from model.arrays import Array
from model.data.images import tiff
from model.data.images.fill_values import refuse_fill
from model.data.images.header import Header, check_size, explain, read_header, unreadable
from model.data.images.pixels import normalise, row_blocks, shrink
from model.data.images.png import check_pixels
from model.data.images.tiff import Decoded
from model.errors import ImageError

# Of transparency in a palette, which is not looked at.
warnings.filterwarnings("ignore", "Palette images with Transparency", UserWarning, "PIL")

LOSSY = ("JPEG", "MPO", "WEBP")
"""Formats of files that do not keep values exactly."""


def decode_image(data: bytes, name: str, *, max_side: int | None = None) -> Array:
    """Turn the bytes of an image file into a normalised float32 array (H, W, 3);
    `name` is what errors call it.

    Raises ImageError if it is unreadable, truncated, smaller than MIN_SIDE, a stack, constant, or holds NaN,
    infinity or a value that marks pixels without data.
    """
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
    Raises ImageError (see `decode_image`), except that a constant image passes.
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
    if not stored:
        refuse_fill(array, name)
    turned = np.ascontiguousarray(_orient(array, header.orientation))
    return decoded._replace(array=turned, turned=header.orientation != 1)


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
    if header.kind == "PNG":
        check_pixels(data)
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
        return Decoded(np.asarray(image), palette=None if tiff.is_gray(colours) else colours)
    if image.mode == "1":
        return Decoded(np.asarray(image.convert("L")))
    if image.mode == "L" and gray_bits in (2, 4):  # Pillow spreads them over 0 to 255
        return Decoded(np.asarray(image) // np.uint8(255 // (2**gray_bits - 1)))
    plain = image if image.mode in ("L", "LA", "RGB", "RGBA") else image.convert("RGB")
    return Decoded(np.asarray(plain), alpha=plain.mode in ("LA", "RGBA"))
