"""Which images are shown without a mask."""

from __future__ import annotations

import pytest

from backend.errors import SettingsError
from backend.labelstudio.http.answers import Region
from backend.labelstudio.order.unmasked import Unmasked
from backend.project_settings import parse_project_settings

TASKS = range(1, 5001)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_about_the_share_of_the_images(share: float) -> None:
    assert len(Unmasked(3, share).among(TASKS)) / len(TASKS) == pytest.approx(share, abs=0.02)


def test_an_image_stays_so_and_a_larger_share_adds_others() -> None:
    few, many = (Unmasked(3, share).among(TASKS) for share in (0.1, 0.3))
    assert few == Unmasked(3, 0.1).among(TASKS[::-1]) < many
    assert few != Unmasked(4, 0.1).among(TASKS), "another project has others"


def test_hidden_regions_are_empty_and_the_others_stay() -> None:
    all_of: dict[int, list[Region]] = {task: [{"id": str(task)}] for task in TASKS[:100]}
    shown = Unmasked(3, 0.3).hide(all_of)
    hidden = Unmasked(3, 0.3).among(all_of)
    assert {task for task, regions in shown.items() if not regions} == hidden
    assert {task: all_of[task] for task in shown if shown[task]} == {
        task: regions for task, regions in all_of.items() if task not in hidden
    }
    assert Unmasked(3, 0.0).hide(all_of) == all_of


@pytest.mark.parametrize("wrong", ["0.2", -0.1, 0.6, 1, True, float("nan"), None])
def test_what_is_no_share_is_refused(wrong: object) -> None:
    with pytest.raises(SettingsError, match="unmasked_share"):
        parse_project_settings({"unmasked_share": wrong})
    assert parse_project_settings({"unmasked_share": 0}).unmasked_share == 0
