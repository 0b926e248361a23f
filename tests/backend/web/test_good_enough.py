"""What dice is good enough, told from what a project's own labels show."""

from __future__ import annotations

import dataclasses

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


def test_an_empty_mask_that_stays_empty_tells_nothing() -> None:
    """It was not changed, and there was nothing in it to submit as it was drawn."""
    empty = dataclasses.replace(agreement(1.0), same=False)
    assert (empty.changed, empty.unchanged) == (False, False)
    told = describe_good_enough(0.7, [agreement(0.8), agreement(1.0)] + [empty] * 20)
    assert "1 of the last 2 masks" in told
    assert "0.80" in told
