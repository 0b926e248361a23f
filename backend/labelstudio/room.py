"""How much is decoded at once:
several threads of a process read images, and a large one takes hundreds of megabytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from model.data.images.header import decoding_pixels

PIXELS = 16_000_000
"""Of the images that are decoded at once, each of which takes 8 bytes."""

Guard = Callable[[bytes], AbstractContextManager[None]]
"""What an image file is decoded within."""


class Room:
    """How many pixels are decoded at once, by all threads of this process."""

    def __init__(self, pixels: int) -> None:
        """A larger image is decoded alone."""
        self._pixels = self._free = pixels
        self._changed = threading.Condition()

    @contextmanager
    def take(self, pixels: int, *, alone: bool = False) -> Iterator[None]:
        """Wait until there is room for so many pixels, or for nothing else;
        not to be taken twice by one thread."""
        wanted = self._pixels if alone else min(pixels, self._pixels)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


ROOM = Room(PIXELS)


def in_room(content: bytes) -> AbstractContextManager[None]:
    """Decode an image file when there is room for it. Raises ImageError for no image."""
    return ROOM.take(decoding_pixels(content, "image"))
