"""The images of a project's tasks as arrays at working resolution, read when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import TaskImageError
from backend.labelstudio.labels.config import LabelConfig
from backend.project.context import Context
from backend.stopping import in_threads
from model.arrays import Image, Mask
from model.data.images.reading import decode_image
from model.data.lru_cache import ByteCache
from model.errors import ModelError
from model.hashing import digest

IMAGE_BYTES = 2 * 1024**3
"""Decoded images kept in memory by one job, 2 GiB: about 680 of 512 x 512."""
DOWNLOADS = 8
"""Images fetched at once."""


class TaskImages(Mapping[str, Image]):
    """Images by task id (as text):
    float32 (H, W, 3) at working resolution, decoded from the cache when asked for."""

    def __init__(
        self, context: Context, config: LabelConfig, tasks: Iterable[Mapping[str, Any]], max_side: int
    ) -> None:
        """`tasks` need "id" and "data"; `max_side` in pixels as in the recipe."""
        self._context = context
        self._config = config
        self._tasks = {str(task["id"]): dict(task) for task in tasks}
        self._max_side = max_side
        self._cache = ByteCache(IMAGE_BYTES)
        self.sizes: dict[str, tuple[int, int]] = {}
        """(height, width) at working resolution of those that were decoded here, by task id."""

    @cached_property
    def digests(self) -> dict[str, str]:
        """A digest of each task's data, its image's address, by task id:
        the same on every machine, and without a download."""
        return {identity: digest(task["data"]) for identity, task in self._tasks.items()}

    def encoded(self, identity: str) -> bytes:
        """The image file of a task. Raises TaskImageError, ImageError."""
        return self._context.image(self._tasks[identity], self._config)

    def __getitem__(self, identity: str) -> Image:
        image = self._cache.get(("images", identity))
        if image is None:
            content = self.encoded(identity)
            with self._context.work_on(identity, content):
                image = decode_image(content, f"task {identity}", max_side=self._max_side)
        return self.keep(identity, image)

    def keep(self, identity: str, image: Image) -> Image:
        """Keep the decoded image of a task in memory, as far as there is room; returns it."""
        self.sizes[identity] = (image.shape[0], image.shape[1])
        return self._cache.put(("images", identity), image)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, identity: object) -> bool:
        return identity in self._tasks

    def only(self, identities: Iterable[str]) -> TaskImages:
        """The same images without the others; the decoded ones are shared."""
        images = TaskImages(
            self._context, self._config, [self._tasks[identity] for identity in identities], self._max_side
        )
        images._cache, images.sizes = self._cache, self.sizes
        return images

    def unreadable(
        self, on_progress: Callable[[str, int, int], None]
    ) -> dict[str, TaskImageError | ModelError]:
        """Fetch and decode all images once; returns what is wrong with those that cannot be used, by task id.

        Raises UnreachableError when Label Studio is away.
        """

        def problem(identity: str) -> TaskImageError | ModelError | None:
            try:
                self[identity]
            except (TaskImageError, ModelError) as error:
                return error
            return None

        found: dict[str, TaskImageError | ModelError] = {}
        with closing(in_threads(problem, self, DOWNLOADS)) as problems:
            for done, (identity, error) in enumerate(zip(self, problems, strict=True), start=1):
                if error is not None:
                    found[identity] = error
                on_progress("Reading images", done, len(self))
        return found


def save_masks(path: Path, masks: Mapping[str, Mask]) -> None:
    """Write masks by task id; the file appears whole."""
    from model.files import write_atomically

    with write_atomically(path) as file:
        np.savez_compressed(file, allow_pickle=False, **masks)


def load_masks(path: Path) -> dict[str, Mask]:
    """Masks that `save_masks` wrote."""
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}
