"""Images of which some cannot be read."""

from collections.abc import Collection, Iterator, Mapping

from model.arrays import Image
from model.errors import ImageError


class UnreadableImages(Mapping[str, Image]):
    """Images by id; those of `broken` raise ImageError."""

    def __init__(self, images: Mapping[str, Image], broken: Collection[str]) -> None:
        self.images, self.broken = images, broken

    def __getitem__(self, image: str) -> Image:
        if image in self.broken:
            raise ImageError(f"{image} is cut off.")
        return self.images[image]

    def __iter__(self) -> Iterator[str]:
        return iter(self.images)

    def __len__(self) -> int:
        return len(self.images)
