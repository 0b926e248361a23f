"""The image of a task, wherever Label Studio keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.config import LabelConfig


def fetch(client: LabelStudio, task: dict[str, Any], config: LabelConfig, cache_dir: Path) -> bytes:
    """The encoded bytes of a task's image: an upload, a local file, a web address, or cloud storage that the project is connected to.

    Kept in `cache_dir` by its address, so that a second call needs no network. `task` needs "id" and "data". Raises TaskImageError
    naming the task when the image is gone, is not an image address, or may not be read; UnreachableError when Label Studio is away.
    """
    raise NotImplementedError
