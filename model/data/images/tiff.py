"""TIFF files: the one image that a file holds, whatever thumbnails, pages and other files belong to it."""

import io
import logging
from typing import BinaryIO, NamedTuple

import numpy as np
import tifffile

from model.arrays import Array
from model.data.images.tiff_parts import check_parts
from model.errors import ImageError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first four bytes of a TIFF or BigTIFF."""
MOST_PAGES = 500
"""A single image with all its thumbnails has a dozen."""
MOST_TILE = 1 << 22
"""Pixels of a tile up to which it may be larger than its image."""
_COLOURS = (0, 1, 2, 3, 6)
"""Photometric interpretations understood: gray with white as zero, gray, RGB, palette, YCbCr."""
_YCBCR = 6
_JPEG = (6, 7, 33007, 34892)
"""Compressions whose decoder makes red, green and blue of YCbCr; no other does."""
_PALETTE = 3
_EXACT = (1, 2, 3, 4, 5, 8, 32766, 32773, 32809, 32946, 34661, 34925, 34926, 34933, 50000, 50013)
"""Compressions that keep values: none, CCITT, LZW, Deflate, NeXT, PackBits, ThunderScan, JBIG, LZMA,
Zstandard, PNG. All others change them, or may: JPEG, JPEG 2000, JPEG XR, JPEG XL, LERC, WebP."""
_ORIENTATION_TAG = 274
_REMEDY = "export single planes, or save channels of one image as RGB or as an ImageJ composite"

_ALPHA = (1, 2)
"""Kinds of extra samples that are transparency; 0 is a channel that nothing is said of."""
_WRITTEN_BY_PYTHON = "tifffile.py"
"""What this library calls itself in the files that it writes."""


class Decoded(NamedTuple):
    """What an image file of any format holds, and what was not certain in reading it."""

    array: Array
    """(H, W) or (H, W, C) in its own dtype, as displayed."""
    lossy: bool = False
    """The format changes values a little (JPEG, also within a TIFF)."""
    assumed: str = ""
    """What the file does not say and was taken for granted, in words; empty if nothing was."""
    alpha: bool = False
    """The last channel is transparency, or a fourth beside colours; only where stored numbers are asked for,
    else it is gone."""
    turned: bool = False
    """It was turned or mirrored to be as displayed."""
    palette: Array | None = None
    """Of a palette image, uint8 (n, 3), the colours of the numbers 0, 1, ..., unless it `is_gray`; only where
    stored numbers are asked for."""


# The library warns of each tag that it does not like;
# who sets up a log gets these lines, a terminal does not.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read_header(stream: BinaryIO, name: str) -> tuple[int, int, object, int]:
    """Height and width as stored, the orientation tag (1 without one), and bytes a pixel.
    Raises ImageError for a stack."""
    with _open(stream) as tiff:
        axes, shape = _axes(tiff, name)
        series = _only_series(tiff, name)
        tag = series.keyframe.tags.get(_ORIENTATION_TAG)
        height, width = shape[axes.index("Y")], shape[axes.index("X")]
        _check_segments(series.keyframe, name)
        return height, width, tag.value if tag else 1, -(-series.nbytes // max(1, height * width))


def read_pixels(data: bytes, name: str, stored: bool) -> Decoded:
    """The image of a TIFF as it is stored, not turned. `stored` as in `images.decode_raw`.

    Raises ImageError for a stack, colour spaces and numbers that are not understood.
    """
    with _open(io.BytesIO(data)) as tiff:
        series = _only_series(tiff, name)
        page = series.keyframe
        axes, shape = _axes(tiff, name)
        check_parts(series, data, name)
        photometric = int(page.photometric)
        known = photometric in _COLOURS and (photometric != _YCBCR or _becomes_rgb(page))
        if not known or page.dtype is None or page.dtype.kind not in "buif":
            space = getattr(page.photometric, "name", page.photometric)
            found = f"{page.dtype} pixels in colour space {space}"
            raise ImageError(
                f"{name}: found {found}, expected gray, RGB or palette; export it as RGB or gray."
            )
        array = np.asarray(series.asarray()).reshape(shape)
        array = array.astype(
            array.dtype.newbyteorder("=").type if array.dtype != np.float16 else np.float32, copy=False
        )
        array = np.moveaxis(array, 0, 2) if axes == "CYX" else array
        if array.dtype == bool and photometric == _PALETTE:
            array = array.view(np.uint8)
        elif array.dtype == bool and stored and page.software == _WRITTEN_BY_PYTHON:
            # tifffile calls a Boolean array white-is-zero, though its authors mean True by what is marked.
            array, photometric = array.view(np.uint8), 1
        elif array.dtype == bool:  # one bit: black and white as displayed, for masks too
            array, photometric = np.logical_xor(array, photometric == 0).view(np.uint8), 1
        if _are_planes(page):
            photometric = 1
        assumed = _assumed(series, array, photometric)
        extra = array.ndim == 3 and array.shape[2] in (2, 4) and _has_extra(page, photometric)
        # ImageJ shows its 8-bit masks (foreground 255) as white-is-zero: their number counts, not the display
        palette = _palette(array, photometric, page) if stored else None
        if not stored:
            array, extra = _displayed(array, photometric, page, name), False
        return Decoded(array, int(page.compression) not in _EXACT, assumed, alpha=extra, palette=palette)


def _open(stream: BinaryIO) -> tifffile.TiffFile:
    """A TIFF without the other files of its data set:
    what it says of planes that it does not hold itself is passed over."""
    return tifffile.TiffFile(stream, _multifile=False)


def _only_series(tiff: tifffile.TiffFile, name: str) -> tifffile.TiffPageSeries:
    """The one image of a TIFF, whatever thumbnails stand before or behind it.
    Raises ImageError if there are more, or none."""
    if len(tiff.pages) > MOST_PAGES:  # finding out what they are would take minutes
        raise ImageError(
            f"{name}: the TIFF holds {len(tiff.pages)} pages, expected one image; export each plane as a file"
            " of its own."
        )
    full = [series for series in tiff.series if not series.keyframe.is_reduced]
    if not tiff.pages or not all(axis in series.axes for series in full for axis in "YX"):
        raise ImageError(
            f"{name}: the TIFF is truncated or damaged (what it says of its image is missing); copy or export"
            " the file again."
        )
    if len(full) != 1:
        raise ImageError(
            f"{name}: the TIFF holds {len(full)} images, expected one; export each plane as a file of its"
            " own."
        )
    return full[0]


def _check_segments(page: tifffile.TiffPage, name: str) -> None:
    """Raise ImageError for tiles far larger than the image, each of which would be decoded as a whole."""
    tile = page.tilelength * page.tilewidth
    if page.is_tiled and tile > MOST_TILE and tile > 4 * page.imagelength * page.imagewidth:
        raise ImageError(
            f"{name}: the TIFF has tiles of {page.tilewidth} x {page.tilelength} pixels for an image of"
            f" {page.imagewidth} x {page.imagelength}, expected smaller ones; save it again."
        )


def _axes(tiff: tifffile.TiffFile, name: str) -> tuple[str, tuple[int, ...]]:
    """Axes and lengths of a TIFF without those of length one, the channel axis (if any) called C. Raises
    ImageError for a stack."""
    series = _only_series(tiff, name)
    kept = [
        (axis, length)
        for axis, length in zip(series.axes, series.shape, strict=True)
        if axis in "YX" or length > 1
    ]
    axes, shape = "".join(axis for axis, _ in kept), tuple(length for _, length in kept)
    if (
        len(shape) == 3 and axes[0] == "Q" and shape[2] <= 4
    ):  # (H, W, 2) written without saying that the last axis is colour
        axes = "YXC"
    elif axes.count("Y") == 1 and axes.count("X") == 1 and len(shape) == 3:
        axes = axes.replace("S", "C").replace("Q", "C")
    if axes not in ("YX", "CYX", "YXC") or (len(shape) == 3 and shape[axes.index("C")] > 4):
        described = " x ".join(map(str, shape))
        raise ImageError(
            f"{name}: the TIFF is a stack ({series.axes}: {described}), expected one plane of 1 to 4"
            f" channels; {_REMEDY}."
        )
    return axes, shape


def _becomes_rgb(page: tifffile.TiffPage) -> bool:
    """Whether YCbCr is decoded to red, green and blue; planes of their own are not, whatever they are in."""
    return int(page.compression) in _JPEG and int(page.planarconfig or 1) == 1


def _are_planes(page: tifffile.TiffPage) -> bool:
    """Whether an array of a few planes, written by Python without a word of what they are, calls itself
    red, green and blue: the library does so for any three or four."""
    separate = int(page.planarconfig or 1) == 2
    return separate and int(page.photometric) == 2 and page.software == _WRITTEN_BY_PYTHON


def _has_extra(page: tifffile.TiffPage, photometric: int) -> bool:
    """Whether the last channel is none of the image: transparency, or a fourth beside colours."""
    return photometric in (2, 6) or _has_alpha(page)


def _has_alpha(page: tifffile.TiffPage) -> bool:
    """Whether the last channel says that it is transparency."""
    extra = page.extrasamples
    return bool(extra) and int(extra[-1]) in _ALPHA and not _are_planes(page)


def _assumed(series: tifffile.TiffPageSeries, array: Array, photometric: int) -> str:
    """What is taken for granted of several planes that neither a named axis nor a colour space calls
    channels, and of a fourth beside colours; empty for all others."""
    if array.ndim == 2:
        return ""
    if photometric in (2, 6):
        unsaid = array.shape[2] == 4 and not _has_alpha(series.keyframe)
        return (
            "a fourth channel beside red, green and blue that does not say what it is, and is left out"
            if unsaid
            else ""
        )
    if "C" in series.axes or _has_alpha(series.keyframe):
        return ""
    return (
        f"{array.shape[2]} planes that do not say what they are, read as channels of one image; if they are a"
        " stack, export single planes"
    )


def _palette(array: Array, photometric: int, page: tifffile.TiffPage) -> Array | None:
    """The colours of a palette image, uint8 (n, 3); None of any other, and of one that `is_gray`."""
    if photometric != _PALETTE or page.colormap is None or array.ndim != 2 or array.dtype.kind != "u":
        return None
    colours = np.asarray(page.colormap).T
    # 16 bits by the standard, but some programs write 8
    colours = (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
    return None if is_gray(colours) else colours


def is_gray(colours: Array) -> bool:
    """Whether a palette, uint8 (n, 3), only shows its numbers as gray, or inverted, as ImageJ shows its
    masks."""
    ramp = np.arange(len(colours))[:, None]
    return len(colours) > 2 and any((colours == each).all() for each in (ramp, ramp[::-1]))


def _displayed(array: Array, photometric: int, page: tifffile.TiffPage, name: str) -> Array:
    """The stored numbers as gray or colours on a screen, without alpha."""
    if photometric == _PALETTE and page.colormap is not None and array.ndim == 2:
        return np.moveaxis(np.asarray(page.colormap)[:, array], 0, 2)
    if photometric == 0:
        array = (
            array.max() - array + array.min()
            if array.dtype.kind == "f"
            else _inverted(array, page.bitspersample)
        )
    return array if array.ndim == 2 else _three_channels(array, _has_extra(page, photometric), name)


def _inverted(array: Array, bits: int) -> Array:
    """Black and white exchanged, in the same dtype, for white-is-zero integers of `bits` bits."""
    return ~array if array.dtype.kind == "i" else (2**bits - 1 - array.astype(np.uint64)).astype(array.dtype)


def _three_channels(array: Array, extra: bool, name: str) -> Array:
    """(H, W, 2 to 4) to (H, W) or (H, W, 3): what is `extra`, transparency or a fourth channel beside
    colours, goes; two fluorescence channels get an empty third."""
    if array.shape[2] in (2, 4) and (extra or array[..., -1].min() == array[..., -1].max()):
        array = array[..., :-1]
    if array.shape[2] == 4:
        raise ImageError(
            f"{name}: found 4 channels, expected up to 3, or red, green, blue and transparency of each pixel"
            " together; export the ones to be labelled as RGB."
        )
    if array.shape[2] == 2:
        array = np.concatenate([array, np.zeros_like(array[..., :1])], axis=2)
    return array[..., 0] if array.shape[2] == 1 else array
