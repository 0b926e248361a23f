"""How masks are written: class ids as PNG or TIFF, numbered objects, or COCO.

Apart from what encodes them, so that who only offers the choice need not load it.
"""

from __future__ import annotations

from enum import StrEnum


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
