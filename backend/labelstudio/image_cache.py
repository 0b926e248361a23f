"""Downloaded images on this machine's disk:
only those that can be worked on, so that a fixed one is seen at the next try."""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import suppress
from pathlib import Path

from rq.timeouts import BaseTimeoutException

from backend.errors import StoppedError
from backend.labelstudio.room import Guard, in_room
from model.data.images.reading import decode_image
from model.files import write_atomically

log = logging.getLogger(__name__)

MAX_AGE = 24 * 3600.0
"""Seconds a downloaded image is used without asking again, in case the file behind an address is replaced."""
_CHECK_SIDE = 512
"""Pixels: what can be normalised at this size can be worked on at any."""
_SUFFIX = ".image"
"""Of files whose content has been decoded once;
earlier releases kept what came, under the same name without it."""


class ImageCache:
    """A folder of image files by their address at one Label Studio."""

    def __init__(self, folder: Path, server: str, *, max_age: float = MAX_AGE) -> None:
        self._folder, self._server, self._max_age = folder, server, max_age

    def get(self, address: str) -> bytes | None:
        """What was kept of an address, None if there is nothing, or nothing recent."""
        path = self._path(address)
        with suppress(OSError):
            if time.time() - path.stat().st_mtime < self._max_age:
                return path.read_bytes()
        before = path.with_suffix("")
        with suppress(OSError):  # of an earlier release: taken over if it is an image, and its age with it
            content = before.read_bytes()
            if time.time() - before.stat().st_mtime < self._max_age and usable(content):
                before.replace(path)
                return content
            before.unlink()
        return None

    def put(self, address: str, content: bytes, guard: Guard = in_room) -> None:
        """Keep what came from an address, if it is an image that can be worked on."""
        if usable(content, guard):
            try:
                with write_atomically(self._path(address)) as file:
                    file.write(content)
            except OSError as error:  # the disk is full: it is there all the same
                log.warning("an image is not kept: %s", error)

    def _path(self, address: str) -> Path:
        return self._folder / (hashlib.sha256(f"{self._server} {address}".encode()).hexdigest() + _SUFFIX)


def usable(content: bytes, guard: Guard = in_room) -> bool:
    """Whether an image file can be decoded wholly and has contrast: no log-in page, nothing cut off."""
    try:
        with guard(content):
            decode_image(content, "image", max_side=_CHECK_SIDE)
    except (BaseTimeoutException, StoppedError):  # of the whole job
        raise
    except Exception:  # what it is will be told by who decodes it for its work
        return False
    return True


def prune(caches: Path) -> None:
    """Delete what no one would use any more in the caches of all projects, also of those that are gone from
    Label Studio."""
    for path in caches.glob("project-*/*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime >= MAX_AGE:
                path.unlink()
    for folder in caches.glob("project-*"):
        with suppress(OSError):  # it is not empty
            folder.rmdir()
