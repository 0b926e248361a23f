"""Arrays that are loaded when they are asked for."""

from collections.abc import Callable, Iterator, Mapping

from model.arrays import Array
from model.data.lru_cache import ByteCache


class LazyArrays(Mapping[str, Array]):
    """A read-only mapping whose values are loaded when asked for and shared through a ByteCache;
    `kind` is what errors call them."""

    def __init__(
        self, kind: str, keys: tuple[str, ...], load: Callable[[str], Array], cache: ByteCache
    ) -> None:
        self._kind, self._keys, self._load, self._cache = kind, dict.fromkeys(keys), load, cache

    def __getitem__(self, key: str) -> Array:
        if key not in self._keys:
            raise KeyError(f"{key!r} is not among the {len(self._keys)} {self._kind} of this pool")
        array = self._cache.get((self._kind, key))
        return self._cache.put((self._kind, key), self._load(key)) if array is None else array

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
