"""Masks and images as the bytes of files."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from model.data.folders import EXTENSIONS
from model.data.image_header import read_header
from model.data.images import decode_raw
from model.export.mask_format import MaskFormat

_KEPT = {"PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}
"""Kinds of image files that are handed on as they are; others become PNG, which every program reads."""


def encode_mask(values: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], mask_format: MaskFormat) -> bytes:
    """The file of a mask, (H, W) of 8 or 16 bits, gray and without loss."""
    file = io.BytesIO()
    if mask_format is MaskFormat.TIFF:
        tifffile.imwrite(file, values, photometric="minisblack", compression="zlib")
    else:
        Image.fromarray(values).save(file, format="PNG")
    return file.getvalue()


def encode_image(content: bytes, original: str) -> tuple[str, bytes]:
    """The extension and the bytes of an image file as other programs read it: as it is, or as PNG.

    The extension is that of `original`, its name, where it says what the file is.
    Raises ImageError for a file that is no image.
    """
    suffix = "." + original.rpartition(".")[2]
    kind = read_header(io.BytesIO(content), original).kind
    if kind in _KEPT:
        return (suffix if suffix.lower() in EXTENSIONS else _KEPT[kind]), content
    file = io.BytesIO()
    Image.fromarray(decode_raw(content, original)).save(file, format="PNG")
    return ".png", file.getvalue()
