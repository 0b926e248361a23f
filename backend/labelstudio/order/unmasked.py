"""The images that are shown without a mask, so that it can be told whether masks save time."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from backend.labelstudio.http.answers import Region


@dataclass(frozen=True)
class Unmasked:
    """A share, in [0, 1), of a project's images, drawn by the number of the task alone.

    So an image stays with or without a mask in every order and with every model, and a larger share adds
    images to those of a smaller one.
    """

    project: int
    share: float

    def __contains__(self, task: int) -> bool:
        drawn = hashlib.sha256(f"unmasked {self.project} {task}".encode()).digest()
        return int.from_bytes(drawn[:8]) < self.share * 2**64

    def among(self, tasks: Collection[int]) -> set[int]:
        """Those of some tasks that are shown without a mask."""
        return {task for task in tasks if task in self} if self.share else set()

    def hide(self, regions: Mapping[int, Sequence[Region]]) -> dict[int, list[Region]]:
        """The regions that are shown of those drawn, by task id: none on the images without a mask."""
        hidden = self.among(regions)
        return {task: [] if task in hidden else list(found) for task, found in regions.items()}
