"""What dice is good enough, told from what a project's own labels show."""

from __future__ import annotations

from backend.web.pages.good_enough import describe_good_enough
from tests.backend.project.agreements import agreement


def test_it_is_told_from_what_people_change() -> None:
    """Only of the last ten; an untouched mask is no correction."""
    told = describe_good_enough(0.82, [agreement(0.2)] * 5 + [agreement(1.0)] * 4 + [agreement(0.9)] * 6)
    for figure in ("0.82", "4 of the last 10", "0.90"):
        assert figure in told
    assert "0.2" not in told


def test_before_there_is_a_figure() -> None:
    assert "not measured" in describe_good_enough(None, [])
    assert "(median)" not in describe_good_enough(0.7, [agreement(1.0)])
