"""Which mask of an image comes out, and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend.errors import RegionError
from backend.export.sources import MASKS, PREDICTED, Sources, draw_label
from backend.labelstudio.labels.config import parse
from backend.labelstudio.names import original_name
from backend.store.versions import NO_VERSION

CONFIG = parse(
    '<View><Image name="image" value="$image"/><PolygonLabels name="labels" toName="image">'
    '<Label value="Axon"/><Label value="Nucleus"/></PolygonLabels></View>'
)


def box(left: float, top: float, right: float, bottom: float, label: str = "Axon") -> dict[str, Any]:
    """A polygon, in per cent, on an image of 50 x 40 pixels."""
    points = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return {
        "id": f"{left}-{top}",
        "type": "polygonlabels",
        "from_name": "labels",
        "to_name": "image",
        "original_width": 50,
        "original_height": 40,
        "value": {"points": points, "polygonlabels": [label]},
    }


def annotation(identity: int, when: str, **fields: Any) -> dict[str, Any]:
    return {"id": identity, "updated_at": when, "completed_by": 5, "result": []} | fields


def test_the_label_that_trainings_use_comes_out() -> None:
    sources = Sources("v3", "2026-11-29", {5: "ada@lab.org"}, {"1": 0.8125})
    task: dict[str, Any] = {"id": 1, "data": {"image": "/a.png"}}
    labels = [
        annotation(1, "2026-11-01"),
        annotation(2, "2026-11-03", completed_by={"id": 6, "email": "ben@lab.org"}),
        annotation(3, "2026-11-05", was_cancelled=True),
    ]
    found = sources.of({**task, "annotations": labels})  # type: ignore[typeddict-item]
    assert (found.folder, found.row["annotator"], found.row["date"]) == (MASKS, "ben@lab.org", "2026-11-03")
    truth = annotation(4, "2026-10-01", ground_truth=True, completed_by=7)
    found = sources.of({**task, "annotations": [*labels, truth]})  # type: ignore[typeddict-item]
    assert (found.row["annotator"], found.row["date"]) == ("user 7", "2026-10-01")
    skipped = sources.of({**task, "annotations": labels[2:]})  # type: ignore[typeddict-item]
    assert (skipped.folder, skipped.row["source"]) == (PREDICTED, "prediction")
    assert (skipped.row["model_version"], skipped.row["expected_dice"]) == ("v3", "0.8125")
    without = Sources(NO_VERSION, "", {}, {}).of({**task, "annotations": []})  # type: ignore[typeddict-item]
    assert without.row["source"] == ""


def test_what_is_made_of_something_else_is_made_again() -> None:
    def fingerprint(version: str = "v3", address: str = "/a.png", *labels: dict[str, Any]) -> str:
        sources = Sources(version, "", {}, {})
        return sources.of({"id": 1, "data": {"image": address}, "annotations": [*labels]}).fingerprint  # type: ignore[list-item]

    label = annotation(1, "2026-11-01")
    different = [
        fingerprint(),
        fingerprint("v4"),
        fingerprint("v3", "/b.png"),
        fingerprint("v3", "/a.png", label),
        fingerprint("v3", "/a.png", annotation(1, "2026-11-02")),
    ]
    assert len(set(different)) == 5
    assert fingerprint("v4", "/a.png", label) == fingerprint("v3", "/a.png", label)


def test_cells_that_touch_are_objects_of_their_own() -> None:
    """As annotators drew them, the smaller one on top; an image that is gone does not matter."""
    drawn = {
        "result": [box(0, 0, 50, 50), box(50, 0, 100, 50), box(60, 10, 80, 30, "Nucleus")],
    }
    mask, objects = draw_label(drawn, CONFIG, None, name="task 1", objects=True)
    assert objects is not None
    assert mask.shape == (40, 50)
    assert objects.classes == [1, 1, 2]
    assert sorted(objects.areas) == [80, 420, 500]
    assert (np.array([0, *objects.classes])[objects.numbers] == mask).all()


def test_a_label_without_region_or_image_is_named() -> None:
    with pytest.raises(RegionError, match="no region"):
        draw_label({"result": []}, CONFIG, None, name="task 1", objects=False)
    mask, _ = draw_label({"result": []}, CONFIG, (40, 50), name="task 1", objects=False)
    assert not mask.any()


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/upload/12/8f3a9c2d-axons-024.png", "axons-024.png"),
        ("/ls/data/upload/12/8f3a9c2d-my%20image.png", "my image.png"),
        ("upload/12/8f3a9c2d-a.png", "a.png"),
        ("https://lab.org/data/local-files/?d=plate1%2Fa.png", "a.png"),
        ("/data/local-files/?d=12345678-a.png", "12345678-a.png"),  # the lab's own name
        ("s3://bucket/plate1/a.tif", "a.tif"),
        ("https://lab.org/a.png?version=3", "a.png"),
        ("data:image/png;base64,AAAA", ""),
        ("https://lab.org/", ""),
    ],
)
def test_images_are_called_as_people_know_them(address: str, name: str) -> None:
    assert original_name({"id": 1, "data": {"image": address}}, CONFIG) == name
