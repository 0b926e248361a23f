"""A study goes on with what its file holds only where that can be its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from model.errors import ProtocolError, ResultsError
from model.experiment.convergence import Trainings
from model.experiment.study import Study

SETTINGS = {"data": "cells"}


def put(folder: Path, dices: Any) -> Path:
    path = folder / "convergence.json"
    path.write_text(json.dumps({"settings": SETTINGS, "dice": dices}))
    return path


def test_it_goes_on_with_what_is_done(tmp_path: Path) -> None:
    with Study.open(put(tmp_path, {"3/10/0/0": 0.5}), SETTINGS, "dice", Trainings) as kept:
        assert kept.finished == {"3/10/0/0": 0.5}
        assert kept.finish(1, float, {"3/10/0/0": (), "3/10/0/1": (0.25,)}, lambda *_: None) == {
            "3/10/0/0": 0.5,
            "3/10/0/1": 0.25,
        }


@pytest.mark.parametrize(
    "dices",
    [{"3/10/0/0": bad} for bad in ("x", "0.5", None, -3, 1.1, float("nan"), [1])] + [{"foo": 0.5}, [], None],
)
def test_what_is_no_result_of_it_is_refused_and_stays(tmp_path: Path, dices: Any) -> None:
    path = put(tmp_path, dices)
    before = path.read_bytes()
    with (
        pytest.raises(ResultsError, match=r"convergence\.json cannot be read \(dice: .*another folder"),
        Study.open(path, SETTINGS, "dice", Trainings),
    ):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("other", [{"masks": {"inverted": ["all"]}}, {"classes": 3}])
def test_results_under_other_masks_or_classes_are_not_taken_over(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    """Whichever of the two says something of them."""
    path = put(tmp_path, {"3/10/0/0": 0.5})
    for stored, asked in ((SETTINGS, SETTINGS | other), (SETTINGS | other, SETTINGS)):
        path.write_text(json.dumps({"settings": stored, "dice": {"3/10/0/0": 0.5}}))
        before = path.read_bytes()
        with pytest.raises(ProtocolError), Study.open(path, asked, "dice", Trainings):
            pass
        assert path.read_bytes() == before
