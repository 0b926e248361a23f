"""Masks and images as the bytes of files."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from model.data.images.header import read_header
from model.data.images.reading import decode_raw
from model.export.mask_format import MaskFormat

_KEPT = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "MPO": (".jpg", ".jpeg"), "TIFF": (".tif", ".tiff")}
"""Kinds of image files that are handed on as they are, with the names that say so, the usual one first;
others become PNG, which every program reads."""
UPRIGHT = 1
"""Of EXIF orientations."""


def encode_mask(values: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], mask_format: MaskFormat) -> bytes:
    """The file of a mask, (H, W) of 8 or 16 bits, gray and without loss."""
    file = io.BytesIO()
    if mask_format is MaskFormat.TIFF:
        tifffile.imwrite(file, values, photometric="minisblack", compression="zlib")
    else:
        Image.fromarray(values).save(file, format="PNG")
    return file.getvalue()


def encode_image(content: bytes, original: str) -> tuple[str, bytes]:
    """The extension and the bytes of an image file as other programs read it.

    It is the same file, but for one that its EXIF orientation turns: many programs do not heed that, so that
    the mask would not lie on it. That one is written upright, without loss, as one of another kind is.
    The extension is that of `original`, its name, where that says what the file is.
    Raises ImageError for a file that is no image.
    """
    header = read_header(io.BytesIO(content), original)
    if header.kind not in _KEPT or header.orientation != UPRIGHT:
        return _encode_anew(decode_raw(content, original))
    names = _KEPT[header.kind]
    suffix = "." + original.rpartition(".")[2]
    return (suffix if suffix.lower() in names else names[0]), content


def _encode_anew(values: npt.NDArray[np.generic]) -> tuple[str, bytes]:
    """A PNG of (H, W) or (H, W, 3) values, or a TIFF of what a PNG cannot hold."""
    file = io.BytesIO()
    if values.dtype == np.uint8 or (values.dtype == np.uint16 and values.ndim == 2):
        Image.fromarray(values).save(file, format="PNG")
        return ".png", file.getvalue()
    photometric = "rgb" if values.ndim == 3 else "minisblack"
    tifffile.imwrite(file, values, photometric=photometric, compression="zlib")
    return ".tif", file.getvalue()
