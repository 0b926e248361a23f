"""Arrays kept in memory up to a limit."""

import threading

from cachetools import LRUCache

from model.arrays import Array


class ByteCache:
    """Arrays by key, the least recently used dropped once their bytes exceed `limit`;
    safe to use from several threads."""

    def __init__(self, limit: int) -> None:
        self._arrays: LRUCache[tuple[str, str], Array] = LRUCache(limit, getsizeof=lambda array: array.nbytes)
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes of the arrays that are kept."""
        return int(self._arrays.currsize)

    def get(self, key: tuple[str, str]) -> Array | None:
        """The array under `key`, which becomes the most recently used, or None."""
        with self._lock:
            return self._arrays.get(key)

    def put(self, key: tuple[str, str], array: Array) -> Array:
        """Keep `array`, made read-only because several callers share it, and return it;
        one larger than the limit is not kept."""
        array.flags.writeable = False
        if array.nbytes <= self._arrays.maxsize:
            with self._lock:
                self._arrays[key] = array
        return array
