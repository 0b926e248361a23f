"""What a scan remembers of an image file and of its mask: not their pixels."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from model.data.folders import shorten
from model.data.images.pixels import normalise, shrink
from model.data.images.reading import decode, read_bytes
from model.data.lru_cache import ByteCache
from model.data.masks.channels import Stored
from model.data.masks.content import Content, describe_content, look_closely
from model.data.masks.files import read_stored
from model.errors import ImageError, MaskError
from model.hashing import digest

Size = tuple[int, int]
Note = tuple[str, str]


def assumed_notes(assumed: Mapping[str, str]) -> list[str]:
    """What was taken for granted of images, by their names: a line for each kind."""
    lines = []
    for kind in sorted(set(assumed.values()) - {""}):
        names = [name for name, each in assumed.items() if each == kind]
        lines.append(f"{len(names)} images ({shorten(names)}) hold {kind}.")
    return lines


@dataclass
class Pair:
    """An image and its mask, if it has one, before and after they were read."""

    image_id: str
    """Path of the image within its folder."""
    path: Path
    mask_name: str = ""
    """Path of the mask within its folder; empty without one."""
    mask_path: Path | None = None
    digest: str = ""
    """Of the bytes of the image file."""
    size: Size = (0, 0)
    """(height, width) of the image as displayed."""
    assumed: str = ""
    """See `images.tiff.Decoded`."""
    only_image_turned: bool = False
    """The image was turned as its file says, and the file of its mask says nothing."""
    only_mask_turned: bool = False
    """The other way round."""
    content: Content | None = None
    """Of the mask; None without a usable one."""
    problem: Note | None = None
    """(file, message) if one of the two cannot be used."""

    def examine(self, max_side: int | None, cache: ByteCache) -> "Pair":
        """Read both files and note what they are; the image at working size goes into the cache."""
        try:
            content = read_bytes(self.path)
            self.digest = digest(content)
            decoded = decode(content, str(self.path))
            self.size, self.assumed = (decoded.array.shape[0], decoded.array.shape[1]), decoded.assumed
            cache.put(
                ("images", self.image_id), normalise(shrink(decoded.array, max_side), name=str(self.path))
            )
            if self.mask_path is not None:
                stored = read_stored(self.mask_path, shape=self.size)
                self.only_image_turned = decoded.turned and not stored.turned
                self.only_mask_turned = stored.turned and not decoded.turned
                self.content = _describe(stored)
        except ImageError as error:
            self.problem = (self.image_id, str(error))
        except MaskError as error:
            self.refuse(error)
        return self

    def look_closely(self) -> None:
        """Read the mask once more, to see where its numbers lie."""
        assert self.mask_path is not None
        try:
            stored = read_stored(self.mask_path, shape=self.size)
            self.content = look_closely(_describe(stored), stored.values)
        except MaskError as error:
            self.refuse(error)

    def refuse(self, error: MaskError) -> None:
        """Leave both out because of what is wrong with the mask."""
        self.content = None
        self.problem = (self.mask_name, f"{error} The image {self.image_id} is left out until then.")


def _describe(stored: Stored) -> Content:
    return describe_content(
        stored.values, coloured=stored.coloured, blurred=stored.blurred, colours=stored.colours
    )


def turned_notes(pairs: Collection[Pair]) -> list[str]:
    """Of which images and masks one alone was turned as its file says."""
    images = [pair.image_id for pair in pairs if pair.only_image_turned]
    masks = [pair.mask_name for pair in pairs if pair.only_mask_turned]
    notes = []
    if images:
        notes.append(
            f"{len(images)} images ({shorten(images)}) are turned by their EXIF orientation, their masks are"
            " not: these are taken as drawn on the image as displayed."
        )
    if masks:
        notes.append(
            f"{len(masks)} masks ({shorten(masks)}) are turned by their EXIF orientation, their images are"
            " not: these masks are turned as well before they are laid on the image. If they were drawn as"
            " they are stored, save them without that mark."
        )
    return notes
