"""Samples of images kept on disk: features are computed once for each image, whoever needs them."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from model.arrays import Image, Mask
from model.files import write_atomically
from model.hashing import digest, digest_of_array
from model.pixels.features import FeatureExtractor
from model.pixels.samples import PixelSample, draw_sample

log = logging.getLogger(__name__)

LIMIT = 10 * 1024**3
"""Bytes on disk, 10 GiB: the samples of 10,000 images; those not used for longest go first."""
SHARE = 0.9  # of the limit that stays when some have to go, so that not each new one asks for it
UNSEEN = 0.05  # share of the limit that a process may write before it looks again at what all have written
SUFFIX = ".npz"


class SharedPlace(Protocol):
    """Where several machines keep the files of their folders; one that is away costs speed, and raises
    nothing."""

    def fetch(self, path: Path) -> None:
        """Bring a file of the folder here, if it is there."""

    def give(self, path: Path) -> None:
        """Keep a file of the folder there as well."""

    def trim(self, folder: Path, limit: int) -> None:
        """Remove what was written first there, until a folder takes at most `limit` bytes."""


class FeatureStore:
    """The samples of a folder, a file each, named by what they were computed from.

    Several processes may share it: files appear whole, and a damaged or vanished one is computed again.
    A disk that takes no more costs speed, not the result.
    """

    def __init__(
        self,
        folder: Path,
        extractor: FeatureExtractor | None = None,
        *,
        limit: int = LIMIT,
        in_memory: int = 0,
        shared: SharedPlace | None = None,
    ) -> None:
        """limit: bytes on disk. in_memory: samples that are kept in memory as well, at most 1 MB each.
        shared: where other machines find what this one has computed."""
        self.folder = folder
        self.extractor = extractor or FeatureExtractor()
        self.limit = limit
        self.shared = shared
        self._in_memory: LRUCache[Path, tuple[PixelSample, str]] = LRUCache(in_memory)
        self._warned = False
        self._written: float = math.inf  # bytes since the folder was measured

    def sample(
        self,
        image_digest: str,
        image: Image | Callable[[], Image],
        mask: Mask | None = None,
        *,
        size: tuple[int, int] | None = None,
        content: str | None = None,
    ) -> PixelSample:
        """The sample of a float32 (H, W, 3) image, from the store or drawn now.

        With a `mask`, uint8 (H, W), one in which each of its classes has pixels.
        `image_digest` names the image's content: the digest of its file or of its array, but not of its
        address, behind which it may change. An array is compared with the one whose sample was kept, so
        that a name that was used twice costs time, not the result. An image given as a function is only
        read where its sample is not kept; it needs `size`, its (height, width), and is compared like an array
        where the digest of its array is given as `content`.
        Raises ImageError for an image whose features cannot be computed.
        """
        source = _source_of(image, size, content)
        plain = self._kept(self._path(image_digest, source), source, None)
        if mask is None or not plain.misses(mask):
            return plain
        return self._kept(self._path(image_digest, source, digest_of_array(mask)), source, mask)

    def vector(
        self,
        image_digest: str,
        image: Image | Callable[[], Image],
        *,
        size: tuple[int, int] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Mean and deviation of the features of an image's pixels, float32 (2 * channels,): of its sample,
        of which only as much is read. Arguments and errors as in `sample`."""
        source = _source_of(image, size)
        path = self._path(image_digest, source)
        vector = None
        if path not in self._in_memory:
            self._fetch(path)
            vector = _read_vector(path, source, self.extractor.channels)
        if vector is None:
            sample = self._kept(path, source, None)
            vector = np.concatenate([sample.mean, sample.deviation])
        return vector

    def _path(self, image_digest: str, source: _Source, *mask: str) -> Path:
        key = digest(self.extractor.version, image_digest, list(source.size), *mask)
        return self.folder / key[:2] / f"{key}{SUFFIX}"

    def _fetch(self, path: Path) -> None:
        if self.shared is not None and not path.exists():
            self.shared.fetch(path)

    def _kept(self, path: Path, source: _Source, mask: Mask | None) -> PixelSample:
        kept = self._in_memory.get(path)
        if kept is None or not source.fits(*kept):
            self._fetch(path)
            kept = _read(path, source, self.extractor.channels) or self._draw(path, source, mask)
            if self._in_memory.maxsize:
                self._in_memory[path] = kept
        return kept[0]

    def _draw(self, path: Path, source: _Source, mask: Mask | None) -> tuple[PixelSample, str]:
        image = source.read()
        drawn, content = draw_sample(image, self.extractor, mask=mask), source.content
        content = content or digest_of_array(image)
        self._keep(path, drawn, content)
        return drawn, content

    def _keep(self, path: Path, sample: PixelSample, content: str) -> None:
        try:
            with write_atomically(path) as file:
                np.savez(
                    file,
                    positions=sample.positions,
                    values=sample.values,
                    mean=sample.mean,
                    deviation=sample.deviation,
                    size=np.array(sample.size),
                    content=np.array(content),
                )
            if self.shared is not None:
                self.shared.give(path)
            self._written += path.stat().st_size
            self._bound()
        except OSError as error:
            if not self._warned:
                log.warning(
                    "Features cannot be kept in %s (%s): they are computed each time, which takes longer."
                    " Make room on the disk.",
                    self.folder,
                    error.strerror or error,
                )
            self._warned = True

    def _bound(self) -> None:
        """Remove the samples not used for longest once all take more than the limit."""
        if self._written <= UNSEEN * self.limit:
            return
        files: list[tuple[float, int, Path]] = []
        for path in self.folder.glob("*/*"):  # with what killed processes left
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
        if self.shared is not None:
            self.shared.trim(self.folder, self.limit)
        self._written = 0


@dataclass(frozen=True)
class _Source:
    """An image to be read, its (height, width), and the digest of its array where it is read already."""

    read: Callable[[], Image]
    size: tuple[int, int]
    content: str | None = None

    def fits(self, sample: PixelSample, content: str) -> bool:
        """Whether a sample is of this image, by the digest of the array that it was drawn from."""
        return sample.size == self.size and self.content in (None, content)


def _source_of(
    image: Image | Callable[[], Image], size: tuple[int, int] | None, content: str | None = None
) -> _Source:
    if not callable(image):
        return _Source(lambda: image, (image.shape[0], image.shape[1]), digest_of_array(image))
    if size is None:
        raise ValueError("size is missing, which an image given as a function needs")
    return _Source(image, size, content)


def _read(path: Path, source: _Source, channels: int) -> tuple[PixelSample, str] | None:
    """A kept sample and the digest of its image, or None where there is none of this image."""
    try:
        with np.load(path, allow_pickle=False) as file:
            size, content = tuple(file["size"].tolist()), str(file["content"])
            sample = PixelSample(
                file["positions"], file["values"], file["mean"], file["deviation"], (size[0], size[1])
            )
    except Exception:  # not there, cut off, or damaged: the readers of zip files raise errors of every kind
        return None
    if not source.fits(sample, content) or sample.values.shape != (len(sample.positions), channels):
        return None
    with suppress(OSError):
        os.utime(path)  # used now
    return sample, content


def _read_vector(path: Path, source: _Source, channels: int) -> npt.NDArray[np.float32] | None:
    """Mean and deviation of a kept sample, or None where there is none of this image."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if tuple(file["size"].tolist()) != source.size:
                return None
            if source.content not in (None, str(file["content"])):
                return None
            vector: npt.NDArray[np.float32] = np.concatenate([file["mean"], file["deviation"]])
    except Exception:  # as in `_read`
        return None
    if vector.shape != (2 * channels,) or not np.isfinite(vector).all():
        return None
    with suppress(OSError):
        os.utime(path)  # used now
    return vector
