"""What an image file says of itself before any pixel is decoded: its format, size and orientation."""

import io
import re
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from model.data.images import tiff
from model.errors import ImageError

MIN_SIDE = 32
"""Pixels; below this a U-Net has nothing left to look at after five halvings."""
MAX_PIXELS = 178_956_970
"""Limit against files whose header claims anything:
about 13,000 x 13,000, which take 1.3 GB to decode in colour."""
BYTES_A_PIXEL = 8
"""Memory that decoding takes for each pixel of a colour image of 8 bits, as PNG, JPEG or BMP;
nothing that is done with it takes more."""

# MAX_PIXELS is this module's own word on it, for all formats, and says what to do.
Image.MAX_IMAGE_PIXELS = None

_ORIENTATION_TAG = 274
_FORMATS = "PNG, JPEG or TIFF (BMP and WebP are read as well)"
_PILLOW_KINDS = ("PNG", "JPEG", "MPO", "BMP", "DIB", "WEBP")
"""What Label Studio takes as an upload and a browser shows, beside animations and drawings."""


class Header(NamedTuple):
    """What is known before pixels are decoded;
    `height` and `width` are as stored, `orientation` is the EXIF number 1 to 8."""

    kind: str
    height: int
    width: int
    orientation: int
    gray_bits: int
    """Bits per pixel of a gray PNG (1, 2, 4, 8, 16); 16 also for a colour PNG of 16 bits per channel;
    8 for the rest."""
    memory: float
    """Bytes for each pixel that decoding takes at its peak (measured)."""


def displayed_size(data: bytes, name: str) -> tuple[int, int]:
    """Tell (height, width) in pixels of an encoded image as displayed, from its header alone.
    Raises ImageError if it cannot be read."""
    header = read_header(io.BytesIO(data), name)
    return (header.width, header.height) if header.orientation >= 5 else (header.height, header.width)


def encoded_size(data: bytes, name: str) -> tuple[int, int]:
    """Tell (height, width) in pixels of an encoded image as stored, from its header alone.
    Raises ImageError if it cannot be read."""
    header = read_header(io.BytesIO(data), name)
    return header.height, header.width


def decoding_pixels(data: bytes, name: str) -> int:
    """As how many pixels of a colour image an encoded one counts in memory, from its header alone.

    Of WebP and of 16-bit colours as twice as many. Raises ImageError if it cannot be read.
    """
    header = read_header(io.BytesIO(data), name)
    return round(header.height * header.width * header.memory / BYTES_A_PIXEL)


def read_header(stream: BinaryIO, name: str) -> Header:
    """Read format, stored size and orientation without decoding pixels. Raises ImageError."""
    start = stream.read(256)  # DICOM begins with 128 zeros
    stream.seek(0)
    if not start:
        raise ImageError(f"{name}: the file is empty, expected {_FORMATS}; copy or export it again.")
    if told := _no_image(start):
        raise ImageError(f"{name}: {told}")
    try:
        if start[:4] in tiff.MAGIC:
            height, width, orientation, size = tiff.read_header(stream, name)
            return Header(
                "TIFF", height, width, _valid_orientation(orientation), 8, max(BYTES_A_PIXEL, 1.5 * size)
            )
        with Image.open(stream) as image:
            kind = image.format or "unknown"
            # Pillow decodes all pixels of a PNG to look for EXIF behind them;
            # where it stands in front, `info` has it already.
            exif = image.getexif() if kind != "PNG" or "exif" in image.info else {}
            bits = start[24] if kind == "PNG" else 8
            frames = getattr(image, "n_frames", 1) if kind in ("WEBP", "PNG") else 1
            memory = 16 if kind == "WEBP" or (bits == 16 and len(image.getbands()) > 1) else BYTES_A_PIXEL
            header = Header(
                kind,
                image.height,
                image.width,
                _valid_orientation(exif.get(_ORIENTATION_TAG, 1)),
                bits,
                memory,
            )
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # see decode_raw
        known = (
            start[:4] in tiff.MAGIC
            or start.startswith((b"\x89PNG", b"\xff\xd8", b"BM"))
            or start[8:12] == b"WEBP"
        )
        found = f"a file that starts with {start[:16]!r}"
        remedy = "open it in ImageJ and save it as PNG or TIFF"
        if known:
            found, remedy = f"a damaged header ({explain(error)})", "copy or export the file again"
        raise ImageError(f"{name}: found {found}, expected {_FORMATS}; {remedy}.") from error
    if frames > 1:
        raise ImageError(
            f"{name}: found an animation of {frames} pictures, expected one; export each picture as a file of"
            " its own."
        )
    if header.kind not in _PILLOW_KINDS:
        raise ImageError(
            f"{name}: found a {header.kind} file, expected {_FORMATS}; open it in ImageJ and save it as PNG"
            " or TIFF."
        )
    return header


def _no_image(start: bytes) -> str:
    """What a file is that comes in the place of an image, by its first bytes, and how to get the image; empty
    for all others."""
    if start[128:132] == b"DICM":
        return f"found a DICOM file, expected {_FORMATS}; open it in ImageJ and save it as PNG or TIFF."
    if not start.strip(b"\0"):
        return f"found zeros alone, as an interrupted copy leaves them, expected {_FORMATS}; copy it again."
    if start.startswith(b"version https://git-lfs"):
        return f"found what Git LFS keeps in the place of a file, expected {_FORMATS}; run: git lfs pull"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html")):
        return (
            f"found a web page, as a download without a login is, expected {_FORMATS}; download the image"
            " itself again."
        )
    return ""


def explain(error: Exception) -> str:
    """What a decoder says, without the Python object that it read from."""
    return re.sub(r" ?<_io\.[^>]*>", "", str(error))


def _valid_orientation(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def check_size(header: Header, name: str) -> None:
    """Raise ImageError for an image that is too small or too large to work on."""
    size = f"{header.width} x {header.height} pixels (width x height)"
    if min(header.height, header.width) < MIN_SIDE:
        raise ImageError(
            f"{name}: found {size}, expected at least {MIN_SIDE} on each side; use larger images."
        )
    if header.height * header.width > MAX_PIXELS:
        raise ImageError(
            f"{name}: found {size}, expected at most {MAX_PIXELS} pixels in all; cut it into tiles, or export"
            " it smaller."
        )


def unreadable(path: Path, error: OSError) -> ImageError:
    """The error of an image file that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return ImageError(
            f"{path}: no such file, expected an image; check the name, or whether it was moved or deleted"
            " meanwhile."
        )
    return ImageError(
        f"{path}: cannot be opened ({error.strerror or error}), expected a readable image file; check its"
        " permissions."
    )
