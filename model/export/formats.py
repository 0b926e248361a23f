"""How masks are written: class ids as PNG or TIFF, numbered objects, or COCO."""

from __future__ import annotations

import io
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from model.data.folders import EXTENSIONS
from model.data.image_header import read_header
from model.data.images import decode_raw

_KEPT = {"PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}
"""Kinds of image files that are handed on as they are; others become PNG, which every program reads."""


class MaskFormat(StrEnum):
    """What a mask is written as."""

    PNG = "png"
    TIFF = "tiff"
    OBJECTS = "objects"
    COCO = "coco"

    @property
    def of_objects(self) -> bool:
        """Whether objects are told apart."""
        return self in (MaskFormat.OBJECTS, MaskFormat.COCO)

    @property
    def suffix(self) -> str:
        """The extension of a mask's file."""
        return ".tif" if self is MaskFormat.TIFF else ".png"


HELP = (
    "png or tiff: class ids, 0 = background. objects: each object with a number of its own, 16-bit PNG."
    " coco: one JSON file of polygons."
)
"""For the help of commands."""


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
