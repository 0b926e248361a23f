"""What is known of a project, as Redis keeps it."""

import json
from pathlib import Path

import pytest

from backend.queue.project_info import ProjectInfo

RECORDED = Path(__file__).resolve().parents[2] / "recorded" / "redis.json"


def test_what_an_earlier_release_left_in_redis_is_read() -> None:
    _, content = json.loads(RECORDED.read_text())["tdal:1:info"]
    info = ProjectInfo.from_redis({name.encode(): value.encode() for name, value in content.items()})
    assert (info.title, info.tasks, info.labelled, info.version) == ("Cells", 12, 6, "v4")
    assert (info.held_out_dice, info.training_estimate, info.trained) == (0.6199, 19.0, 6)
    assert (info.trained_count, info.trained_annotations, info.trained_labels) == (6, 6, ("Cell",))
    assert (info.round, info.rounds_written, info.round_reason) == ("v3.r6", 4, "the batch is finished")
    assert (info.masks_fit, info.missing_tried, info.held) == (content["masks_fit"], None, False)


@pytest.mark.parametrize(
    ("content", "held", "labelled"), [({}, False, None), ({"held": ""}, True, None), ({"held": "0"}, True, 0)]
)
def test_held_may_be_without_a_number(content: dict[str, str], held: bool, labelled: int | None) -> None:
    info = ProjectInfo.from_redis(content)
    assert (info.held, info.held_at) == (held, labelled)


def test_an_empty_figure_is_unknown() -> None:
    """As an earlier release has noted a version whose dice was not measured."""
    assert ProjectInfo.from_redis({"version": "", "held_out_dice": ""}) == ProjectInfo(version="")
