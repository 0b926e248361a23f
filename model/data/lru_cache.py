"""Arrays kept in memory up to a limit."""

import threading
from collections import OrderedDict

from model.arrays import Array


class ByteCache:
    """Arrays by key, the least recently used dropped once their bytes exceed `limit`;
    safe to use from several threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._arrays: OrderedDict[tuple[str, str], Array] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str]) -> Array | None:
        """The array under `key`, which becomes the most recently used, or None."""
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
            return self._arrays.get(key)

    def put(self, key: tuple[str, str], array: Array) -> Array:
        """Keep `array`, made read-only because several callers share it, and return it;
        one larger than the limit is not kept."""
        array.flags.writeable = False
        with self._lock:
            if key not in self._arrays and array.nbytes <= self.limit:
                self._arrays[key] = array
                self.used += array.nbytes
            while self.used > self.limit:
                self.used -= self._arrays.popitem(last=False)[1].nbytes
        return array
