"""What jobs know of a project."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from redis import Redis

from backend.errors import TaskImageError
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.project.context import Context
from backend.settings import read_settings
from backend.store.storage import Storage


def test_an_image_that_cannot_be_read_holds_no_memory_of_who_asked(tmp_path: Path) -> None:
    """One error is raised each time; it must not keep the frames of each caller, with the images in them."""
    client = LabelStudio("http://127.0.0.1:9", "0123456789")
    context = Context(1, read_settings(model_dir=tmp_path), Redis(), client, Storage(tmp_path))
    context.unreadable[7] = TaskImageError("task 7: it is no image")
    frames = []
    for _ in range(3):
        with pytest.raises(TaskImageError, match="no image") as raised:
            context.image({"id": 7, "data": {}}, parse(EXAMPLE))
        frames.append(len(traceback.extract_tb(raised.value.__traceback__)))
    assert frames == frames[:1] * 3
