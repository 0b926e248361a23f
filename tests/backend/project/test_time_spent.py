"""What labels tell of the time that the masks save."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from backend.labelstudio.labels.annotations import annotator_of, seconds_open
from backend.project.time_spent import AnnotatorTime, summarise_time
from tests.backend.project.agreements import agreement


def test_times_by_how_much_was_corrected() -> None:
    """Medians: one task that stayed open over lunch does not count."""
    good = [agreement(0.95, seconds) for seconds in (60, 60, 60, 120, 9000)]
    poor = [agreement(0.4, seconds) for seconds in (600, 600, 660, 540, 600)]
    found = summarise_time([*good, *poor])
    assert "60 s where" in found.text
    assert "10 min where" in found.text
    assert found.unchanged == ""


def test_too_few_times_tell_how_many_are_missing() -> None:
    assert "after 5 more labels" in summarise_time([]).text
    found = summarise_time([agreement(0.95)] * 4 + [agreement(0.3, None)] * 20)
    assert "after 1 more label" in found.text
    assert found.comparison == ""
    one_kind = summarise_time([agreement(0.95)] * 9)
    assert "median of 9" in one_kind.text
    assert "needed" not in one_kind.text


@pytest.mark.parametrize(
    ("unchanged", "of", "told"), [(8, 10, True), (4, 10, False), (2, 2, False), (2, 4, True)]
)
def test_unchanged_masks_are_pointed_out(unchanged: int, of: int, told: bool) -> None:
    """Only of the last ten, and they are no success."""
    found = summarise_time(
        [agreement(1.0)] * 20 * (of == 10)
        + [agreement(0.8)] * (of - unchanged)
        + [agreement(1.0)] * unchanged
    )
    assert (f"{unchanged} of the last {of}" in found.unchanged) is told


def test_each_annotator_has_a_line() -> None:
    found = summarise_time(
        [
            agreement(1.0, 60),
            agreement(0.5, 180),
            agreement(0.5, None, "bo@lab.org"),
            agreement(0.5, 60, ""),  # of an earlier release, which kept no names
            agreement(0.5, 900, shown=False),
        ]
    )
    assert found.annotators == (
        AnnotatorTime("ada@lab.org", 2, 2.0, 0.5),
        AnnotatorTime("bo@lab.org", 1, None, 0.0),
    )


def test_masks_are_compared_with_none() -> None:
    """Labels from the first one without a mask on, and with too few it says how many are missing."""
    early = [dataclasses.replace(agreement(0.8, 900), time="2026-11-28T09:00:00Z")] * 9
    masked, bare = [agreement(0.8, 120)] * 6, [agreement(0.8, 480, shown=False)] * 5
    told = summarise_time([*early, *masked, *bare], 0.3).comparison
    for part in ("2 min with a mask (6", "8 min without one (5)", "save 75%"):
        assert part in told
    few = summarise_time([*early, *masked[:2], *bare[:4], agreement(0.8, None, shown=False)], 0.3).comparison
    assert re.search("3 more .* 1 more", few)
    assert re.search("5 more .* 5 more", summarise_time(early, 0.3).comparison)
    assert summarise_time(early).comparison == ""
    assert "save 75%" in summarise_time([*masked, *bare]).comparison, "what was measured stays when it is off"
    slow = [agreement(0.8, 600)] * 5
    assert "save no time" in summarise_time([*slow, *bare], 0.3).comparison
    assert "little difference" in summarise_time([*[agreement(0.8, 500)] * 5, *bare], 0.3).comparison


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        ({"created_username": " ada@lab.org, 1", "completed_by": 1}, "ada@lab.org"),
        ({"created_username": "Ada Byron ada@lab.org, 1"}, "Ada Byron ada@lab.org"),
        ({"created_username": "Byron, Ada ada@lab.org, 12"}, "Byron, Ada ada@lab.org"),
        ({"completed_by": 3}, "annotator 3"),
        ({"completed_by": {"id": 3, "email": "ada@lab.org"}}, "ada@lab.org"),
        ({"completed_by": None}, ""),
        ({}, ""),
    ],
)
def test_an_annotator_is_named_as_label_studio_does(annotation: dict[str, Any], name: str) -> None:
    assert annotator_of(annotation) == name


@pytest.mark.parametrize(
    ("told", "seconds"), [(61.5, 61.5), (0, None), (-3, None), (None, None), ("61", None), (True, None)]
)
def test_only_a_time_counts_as_one(told: Any, seconds: float | None) -> None:
    assert seconds_open({"lead_time": told}) == seconds
