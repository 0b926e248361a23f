"""The pure parts of the pages: geometry, words, and what became of each version."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backend.project.forecast import Forecast
from backend.project.project_status import (
    Defaults,
    Images,
    Labels,
    LastError,
    NextTask,
    ProjectStatus,
    RoundInForce,
    Running,
    VersionInUse,
)
from backend.project.skipped_tasks import Skipped
from backend.project.time_spent import duration
from backend.project.version_list import VersionEntry, VersionList
from backend.settings import read_settings
from backend.store.version_history import Use
from backend.web.pages.charts import (
    HEIGHT,
    WIDTH,
    Value,
    best_so_far,
    chart,
    dice_range,
    running_median,
    whole_ticks,
)
from backend.web.pages.page import Page, version_lines
from backend.web.pages.words import headline

SETTINGS = read_settings(quiet_seconds=20, labels_to_train=5)
STATE = ProjectStatus(
    project=1,
    title="Cells",
    images=Images(12, 5),
    defaults=Defaults(5, "task_dependent"),
    labels=Labels(trained=5),
    version=VersionInUse("v1"),
    round=RoundInForce("v1.r1", version="v1"),
    next_tasks=(NextTask(4),),
)


def test_a_chart_holds_its_values_in_their_places() -> None:
    drawn = chart(
        [Value(3, 0.5, "a"), Value(5, 0.4, "refused", "not-taken", joined=False), Value(9, 0.7, "c")]
    )
    first, refused, last = drawn.marks
    assert first.x == drawn.left < refused.x < last.x == drawn.right
    assert last.y < first.y < refused.y
    assert drawn.line == f"{first.x},{first.y} {last.x},{last.y}"
    for mark in drawn.marks:
        assert 0 <= mark.x <= WIDTH
        assert 0 <= mark.y <= HEIGHT
    assert [tick.text for tick in drawn.y_ticks] == ["0.4", "0.5", "0.6", "0.7"]
    assert [tick.text for tick in drawn.x_ticks] == ["3", "4", "5", "6", "7", "8", "9"]


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_single_value_is_a_chart(value: float) -> None:
    drawn = chart([Value(3, value, "only")])
    assert drawn.line == ""
    assert drawn.top <= drawn.marks[0].y <= drawn.bottom


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.52, 0.66], (0.5, 0.7)),
        ([0.81], (0.8, 1.0)),
        ([1.0], (0.8, 1.0)),
        ([0.0], (0.0, 0.2)),
        ([0.0, 1.0], (0.0, 1.0)),
        ([0.3], (0.3, 0.5)),
    ],
)
def test_the_range_of_dice(values: list[float], expected: tuple[float, float]) -> None:
    assert dice_range(values) == expected


@pytest.mark.parametrize(("low", "high"), [(0, 1), (3, 3.5), (1, 200), (7, 12_345), (2, 4)])
def test_ticks_are_few_and_whole(low: float, high: float) -> None:
    found = whole_ticks(low, high)
    assert 1 <= len(found) <= 7
    assert all(low <= tick <= high for tick in found)


def test_the_line_of_held_out_dice_is_the_best_so_far() -> None:
    """Figures that fall from one version to the next do not look like progress, nor like its end."""
    values = [Value(labels, dice, "") for labels, dice in ((3, 0.7), (4, 0.8), (5, 0.6), (6, 0.75))]
    line = chart(values, line=best_so_far).line.split()
    heights = [float(point.split(",")[1]) for point in line]
    assert heights[0] > heights[1] == heights[2] == heights[3], "down is up in a drawing"


def test_the_line_of_live_quality_is_a_running_median() -> None:
    assert running_median([0.1, 0.9, 0.5]) == [0.1, 0.5, 0.5]
    assert running_median([0.0] * 10 + [1.0] * 6)[-1] == 1.0


@pytest.mark.parametrize(
    ("changes", "labelled", "title", "text"),
    [
        ({}, 5, "Ready for labels", "up to date"),
        ({"running": Running(kind="training")}, 5, "Training a new model", "go on meanwhile"),
        ({"running": Running(kind="rollback")}, 5, "Rolling back", ""),
        (
            {"running": Running(kind="rollback", version="v1"), "version": VersionInUse("v2")},
            5,
            "Rolling back",
            "",
        ),
        ({"running": Running(kind="rollback", version="v2")}, 5, "Switching forward to v2", ""),
        (
            {"running": Running(kind="first-order"), "round": None},
            0,
            "Computing the first order",
            "in a random order until the first",
        ),
        (
            {"running": Running(kind="round"), "waiting": ["finish", "training"]},
            5,
            "Computing the order",
            "In the queue behind it: a training.",
        ),
        ({"waiting": ["training", "look"]}, 5, "Waiting for a worker", "a training."),
        ({"waiting": ["look"]}, 5, "Ready for labels", ""),
        (
            {"labels": Labels(5, 1)},
            6,
            "1 new label",
            "20 seconds after the last label, or at 5 labels",
        ),
        ({"labels": Labels(5, 1, True)}, 5, "Labels were changed", "20 seconds"),
        (
            {"held": True},
            6,
            "Stopped by a person",
            "v1 is in use, trained on 5 of 6 labels. Annotators go on in order 1 (model 1).",
        ),
        (
            {"held": True, "version": None, "round": None, "labels": Labels(0, 0)},
            2,
            "Stopped by a person",
            "on the 2 labels",
        ),
        ({}, 6, "Ready for labels", "v1 is in use, trained on 5 of 6 labels."),
        (
            {"stalled": True, "labels": Labels(5, 1)},
            6,
            "1 new label",
            "No training starts before what is missing is started",
        ),
        ({"stalled": True, "waiting": ["training"]}, 5, "Waiting for a worker", "does not begin before"),
        (
            {"next_tasks": (), "skipped": Skipped(done=frozenset({1, 2, 3}))},
            9,
            "All 3 open images are skipped",
            "Put them back",
        ),
        ({"round": None, "version": None}, 0, "Connected", "first order"),
        (
            {"round": RoundInForce("v0.r1", cold_start=True), "version": None},
            1,
            "Label 2 more images",
            "1 of 3",
        ),
        ({"round": RoundInForce("v0.r1", cold_start=True)}, 4, "Ready for labels", "by their looks"),
        ({"next_tasks": ()}, 9, "Every image is labelled", "Import more"),
        (
            {"version": VersionInUse("v2")},
            5,
            "Ready for labels",
            "v2 is in use, while order 1 (model 1) and its masks are still those of v1.",
        ),
        ({"last_error": LastError(kind="finish")}, 5, "The last round failed", "tries again by itself"),
        (
            {"last_error": LastError(kind="training"), "labels": Labels(5, 1)},
            6,
            "The last training failed",
            "",
        ),
        ({"last_error": LastError(kind="rollback")}, 5, "The last rollback failed", "Ask for it again"),
        (
            {"last_error": LastError(kind="round"), "running": Running(kind="round")},
            5,
            "Computing the order",
            "",
        ),
    ],
)
def test_the_headline_says_what_happens_and_what_comes_next(
    changes: dict[str, Any], labelled: int, title: str, text: str
) -> None:
    found = headline(replace(STATE, images=Images(12, labelled), **changes), SETTINGS)
    assert found.title == title
    assert text in found.text
    assert ("up to date" in found.text) == (text == "up to date" or changes == {"waiting": ["look"]})
    assert found.failed == found.title.endswith("failed")
    assert found.busy == bool(changes.get("running") or "training" in changes.get("waiting", ()))


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (0.2, "1 s"), (42, "42 s"), (150, "2 min"), (7200, "2.0 h")]
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def version(name: str, **changes: Any) -> VersionEntry:
    shown = VersionEntry(name, labels=5, held_out_dice=0.7, created="2026-11-23T09:00:00+00:00")
    return replace(shown, **{"reason": "better", **changes})


def use(name: str, before: str | None, by: str = "training", **changes: str) -> Use:
    return Use(name, "2026-11-23T10:00:00+00:00", by, before=before, **changes)


def test_each_version_says_what_became_of_it_and_why() -> None:
    versions = [
        version("v1", current=True),
        version("v2", reason="clearly worse"),
        version("v3"),
        version("v4", damaged="cannot be read", labels=None, held_out_dice=None, created=None),
    ]
    uses = [
        use("v1", None),
        use("v3", "v1"),
        use("v1", "v3", "rollback", who="ana", reason="too many specks"),
    ]
    lines = version_lines(VersionList(1, versions=tuple(versions), uses=tuple(uses)))
    assert [(line.name, line.state) for line in lines] == [
        ("v1", "in use"),
        ("v2", "not taken"),
        ("v3", "rolled back"),
        ("v4", "damaged"),
    ]
    assert [line.action for line in lines] == ["", "Go forward", "Go forward", ""]
    for part in ("by ana", "rollback from v3"):
        assert part in lines[0].why
    assert lines[1].why == "clearly worse"
    for part in ("v1", "by ana on 2026-11-23", ": too many specks"):
        assert part in lines[2].why
    assert lines[3].why == "cannot be read"


def test_going_forward_again_is_not_a_rollback() -> None:
    uses = [use("v1", None), use("v2", "v1"), use("v1", "v2", "rollback"), use("v2", "v1", "rollback")]
    lines = version_lines(
        VersionList(1, versions=(version("v1"), version("v2", current=True)), uses=tuple(uses))
    )
    assert [line.state for line in lines] == ["earlier", "in use"]
    assert "in place of v1" in lines[1].why
    assert version_lines(VersionList(1)) == []


@pytest.mark.parametrize(
    ("value", "bound", "told"), [(0.5, 0.52, "at most 0.52"), (0.5, None, ""), (None, None, "")]
)
def test_the_page_tells_how_good_the_batch_is_where_the_record_does(
    value: float | None, bound: float | None, told: str
) -> None:
    """Records of an early release hold no bound; a batch that is labelled has no forecast."""
    state = replace(STATE, round=RoundInForce("v1.r1", value=value, upper_bound=bound))
    page = Page(1, state, headline(state, SETTINGS), forecast=Forecast(0.4, 0.5, 2, ((4, 0.5),)))
    assert told in page.bound
    assert bool(page.bound) == bool(told)
    assert Page(1, state, page.headline).bound == ""
