"""Short names for "the same thing":
what was computed is used again only when what it was computed from has not changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from model.arrays import Array


class Digest:
    """A digest that grows part by part, for what is too much to hold at once; as text:
    16 hexadecimal digits."""

    def __init__(self, *parts: Any) -> None:
        """Begin with some parts, JSON values or bytes."""
        self._total = hashlib.sha256()
        for part in parts:
            self.add(part)

    def add(self, part: Any) -> None:
        """Take in one more part; the order of parts counts."""
        self._total.update(part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode())
        self._total.update(b"\0")

    def __str__(self) -> str:
        return self._total.hexdigest()[:16]


def digest(*parts: Any) -> str:
    """16 hexadecimal digits of JSON values and bytes, in their order."""
    return str(Digest(*parts))


def digest_of_array(array: Array) -> str:
    """Digest of an array's values, shape and dtype."""
    return digest(list(array.shape), str(array.dtype), array.tobytes())


def digest_of_files(*groups: Iterable[Path]) -> str:
    """Digest of the names and bytes of groups of files; their place on the machine does not count."""
    return digest([sorted((path.name, _digest_of_file(path)) for path in paths) for paths in groups])


def _digest_of_file(path: Path) -> str:
    status = path.stat()
    return _read_digest(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _read_digest(path: Path, size: int, modified: int) -> str:
    """Each file is read once in a process, unless its size or the time of its last change is another;
    every score asks for the digest."""
    del size, modified
    return digest(path.read_bytes())
