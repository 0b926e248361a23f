"""Samples of images kept on disk: features are computed once for each image, whoever needs them."""

from __future__ import annotations

import logging
import os
import time
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from model.arrays import Image, Mask
from model.files import write_atomically
from model.hashing import digest, digest_of_array
from model.pixels.features import FeatureExtractor
from model.pixels.samples import PixelSample, draw_sample

log = logging.getLogger(__name__)

LIMIT = 4 * 1024**3
"""Bytes on disk, 4 GiB: the samples of 10,000 images; those not used for longest go first."""
SHARE = 0.9  # of the limit that stays when some have to go, so that not each new one asks for it
SUFFIX = ".npz"
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class FeatureStore:
    """The samples of a folder, a file each, named by what they were computed from.

    Several processes may share it: files appear whole, and a damaged or vanished one is computed again.
    A disk that takes no more costs speed, not the result.
    """

    def __init__(
        self, folder: Path, extractor: FeatureExtractor | None = None, *, limit: int = LIMIT
    ) -> None:
        self.folder = folder
        self.extractor = extractor or FeatureExtractor()
        self.limit = limit
        self._keeps = True
        self._written = 0
        self._measured: int | None = None

    def sample(self, image_digest: str, image: Image, mask: Mask | None = None) -> PixelSample:
        """The sample of a float32 (H, W, 3) image known by `image_digest`, from the store or drawn now.

        With a `mask`, uint8 (H, W), one in which each of its classes has pixels.
        Raises ImageError for an image whose features cannot be computed.
        """
        plain = self._kept(digest(self.extractor.version, image_digest, list(image.shape)), image, None)
        if mask is None or not plain.misses(mask):
            return plain
        key = digest(self.extractor.version, image_digest, list(image.shape), digest_of_array(mask))
        return self._kept(key, image, mask)

    def _kept(self, key: str, image: Image, mask: Mask | None) -> PixelSample:
        path = self.folder / key[:2] / f"{key}{SUFFIX}"
        found = _read(path, self.extractor.channels)
        if found is None or found.size != image.shape[:2]:
            found = draw_sample(image, self.extractor, mask=mask)
            self._keep(path, found)
        return found

    def _keep(self, path: Path, sample: PixelSample) -> None:
        if not self._keeps:
            return
        try:
            with write_atomically(path) as file:
                np.savez(
                    file,
                    positions=sample.positions,
                    values=sample.values,
                    mean=sample.mean,
                    deviation=sample.deviation,
                    size=np.array(sample.size),
                )
            self._written += path.stat().st_size
        except OSError as error:
            self._keeps = False
            log.warning(
                "Features cannot be kept in %s (%s): they are computed each time, which takes longer. Make"
                " room on the disk.",
                self.folder,
                error.strerror or error,
            )
            return
        self._bound()

    def _bound(self) -> None:
        """Remove the samples not used for longest once all take more than the limit."""
        if self._measured is not None and self._measured + self._written <= self.limit:
            return
        files: list[tuple[float, int, Path]] = []
        for path in self.folder.glob(f"*/*{SUFFIX}"):
            with suppress(OSError):  # another process removed it
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        used = sum(size for _, size, _ in files)
        if used > self.limit:
            for _, size, path in sorted(files):
                if used <= SHARE * self.limit:
                    break
                with suppress(OSError):
                    path.unlink()
                used -= size
        self._measured, self._written = used, 0


def _read(path: Path, channels: int) -> PixelSample | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            height, width = (int(side) for side in file["size"])
            sample = PixelSample(
                file["positions"], file["values"], file["mean"], file["deviation"], (height, width)
            )
    except DAMAGE:  # not there, cut off, or of another kind
        return None
    if sample.values.shape != (len(sample.positions), channels):
        return None
    with suppress(OSError):
        os.utime(path, (time.time(), time.time()))  # used now
    return sample
