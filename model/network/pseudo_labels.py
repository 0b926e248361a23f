"""The pseudo-labels of a round:
masks by image id in a file, each read when it is asked for, so that a pool may be of any size."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from model.arrays import Mask
from model.data.lru_cache import ByteCache
from model.errors import CheckpointError
from model.files import write_atomically
from model.hashing import Digest

CACHE_BYTES = 512 * 1024**2
"""Bytes of masks kept in memory, 512 MiB: 2,000 of 512 x 512;
the least recently used go first, and cost 1 to 2 ms to read again."""
FEWEST_SAMPLED = 4
"""Sampled pixels of foreground, and of background, below which there is nothing to learn from."""
FEWEST_PIXELS = 8
"""Pixels of foreground, and of background, below which a pseudo-label shows nothing to learn from:
less than 3 x 3 ..."""
SMALLEST_SHARE = 0.0005
"""... or less than this share of the image: 131 pixels, a disc of 13 across, in 512 x 512 ..."""
SPECK_PIXELS = 132
"""... unless there are more than these: many small objects in a large image are no specks."""
SUMMARY = "summary"
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading a file that is not there, half-written or of another version raises."""


class PseudoLabels(Mapping[str, Mask]):
    """uint8 (H, W) class ids by image id, as `write` kept them.

    blank: ids of the images whose mask shows nothing to learn from (see `trainable`).
    fingerprint: a digest of `identity`, the ids and all masks.
    """

    def __init__(self, path: Path, identity: str, ids: Sequence[str], cache_bytes: int = CACHE_BYTES) -> None:
        """Open the file; of its masks at most `cache_bytes` are held.
        Raises CheckpointError unless it was written, whole, for this `identity` and these ids."""
        self._path = path
        self._cache = ByteCache(cache_bytes)
        self._places = {image: str(place) for place, image in enumerate(ids)}
        try:
            self._file = np.load(path, allow_pickle=False)
            summary = json.loads(str(self._file[SUMMARY]))
            self.fingerprint, self.blank = str(summary["fingerprint"]), frozenset(summary["blank"])
            fits = summary["identity"] == identity and summary["ids"] == list(ids)
        except DAMAGE as error:
            raise CheckpointError(
                f"No pseudo-labels in {path}, or only a part of them ({error}); they have to be made again."
            ) from error
        if not fits:
            raise CheckpointError(
                f"The pseudo-labels in {path} are those of another model or other images; they have to be"
                " made again."
            )

    @staticmethod
    def write(path: Path, identity: str, ids: Sequence[str], masks: Iterable[Mask]) -> None:
        """Keep the masks of `ids`, in their order, one at a time in memory; the file appears whole."""
        total, blank = Digest(identity, ids), []
        with write_atomically(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for place, (image, mask) in enumerate(zip(ids, masks, strict=True)):
                _add(archive, str(place), mask)
                total.add(mask.tobytes())
                if not trainable(mask):
                    blank.append(image)
            summary = {"identity": identity, "ids": list(ids), "fingerprint": str(total), "blank": blank}
            _add(archive, SUMMARY, np.array(json.dumps(summary)))

    def __getitem__(self, image: str) -> Mask:
        place = self._places[image]
        mask = self._cache.get(("masks", place))
        if mask is None:
            try:
                mask = self._cache.put(("masks", place), self._file[place])
            except DAMAGE as error:
                aside = self._path.with_suffix(".damaged")
                with suppress(OSError):  # another process has done so, or the disk is full
                    self._path.replace(aside)
                raise CheckpointError(
                    f"{self._path} is damaged ({error}) and kept as {aside.name}. Start again: its masks are"
                    " predicted again."
                ) from error
        return mask

    def __contains__(self, image: object) -> bool:
        return image in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def trainable(pseudo_label: Mask) -> bool:
    """Whether a network can learn to tell foreground from background from this mask:
    enough pixels are not of its commonest class.

    A network trained on an empty mask would agree perfectly with every other empty mask and win a rank by
    accident, and one trained on a mask with a speck in it, which is an error of f_L's more often than an
    object, would do so as well.
    """
    others = pseudo_label.size - int(np.bincount(pseudo_label.ravel()).max())
    return others >= max(FEWEST_PIXELS, min(SMALLEST_SHARE * pseudo_label.size, SPECK_PIXELS))


def _add(
    archive: zipfile.ZipFile, name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)
