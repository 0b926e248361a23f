"""What tells the images of a round apart, on any machine."""

from typing import Any, cast

from backend.labelstudio.labels.config import LabelConfig
from backend.project.context import Context
from backend.project.task_data import TaskImages


def images(*addresses: str) -> TaskImages:
    """Images that cannot be fetched: there is no Label Studio."""
    tasks: list[dict[str, Any]] = [
        {"id": number, "data": {"image": address}} for number, address in enumerate(addresses)
    ]
    return TaskImages(cast(Context, None), cast(LabelConfig, None), tasks, 64)


def test_tasks_are_told_apart_by_their_data_without_a_download() -> None:
    first, again, other = images("/a.png", "/b.png"), images("/a.png", "/b.png"), images("/a.png", "/c.png")
    assert set(first.digests) == set(first)
    assert first.digests == again.digests
    assert first.digests["0"] == other.digests["0"]
    assert first.digests["1"] != other.digests["1"]
