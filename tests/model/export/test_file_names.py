"""Names under which masks are written."""

from __future__ import annotations

import pytest

from model.export.file_names import name_apart, safe_stem


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("axons-024.png", "axons-024"),
        ("a.ome.TIF", "a.ome"),
        ("2024.11.29 plate", "2024.11.29 plate"),
        ("Zürich.jpg", "Zürich"),  # as a Mac writes it
        ('a<b>:"|?*.png', "a_b______"),
        (".hidden.png", "hidden"),
        ("con.png", "_con"),
        ("..", "task-7"),
        ("\x00", "_"),
        ("ö" * 300 + ".png", "ö" * 90),
    ],
)
def test_every_system_takes_them(name: str, stem: str) -> None:
    assert safe_stem(name, "task-7") == stem


def test_two_images_of_one_name_are_kept_apart() -> None:
    """Also where they differ in upper and lower case, or the second name is taken, too."""
    wanted = [("3", "a"), ("5", "A"), ("6", "a-7"), ("7", "a")]
    names, second = name_apart(wanted)
    assert names == {"3": "a", "5": "A-5", "6": "a-7", "7": "a-7-2"}
    assert second == ["5", "7"]


def test_names_that_were_given_stay() -> None:
    """Although the image that had the name first is gone."""
    names, second = name_apart([("5", "a"), ("9", "a")], {"5": "a-5"})
    assert names == {"5": "a-5", "9": "a"}
    assert second == ["5"]
