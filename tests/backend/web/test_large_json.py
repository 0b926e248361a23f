"""Large answers are JSON like any other, written in small steps."""

from __future__ import annotations

import json

import pytest

from backend.web import large_json

REGION = {
    "type": "brushlabels",
    "score": 0.5,
    "value": {"rle": list(range(256)) * 400, "brushlabels": ["µm"]},
}


@pytest.mark.parametrize(
    "value",
    [
        {"results": [{"result": [REGION, REGION], "score": 0.5, "model_version": "v3"}, {"result": []}]},
        {"points": [[1.5, 2], [], [3, [4]]], "none": None, "true": True, 'a"b': {}},
        [],
        [None, 1],
    ],
)
def test_it_says_the_same(value: object) -> None:
    assert json.loads(large_json.encode(value)) == value


def test_no_step_is_long() -> None:
    assert max(len(piece) for piece in large_json._pieces({"results": [REGION]})) < 5 * large_json.PIECE
