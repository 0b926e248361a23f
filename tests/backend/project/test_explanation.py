"""What annotators read about the image they have open."""

import json

from backend.labelstudio.http.answers import Region
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import to_mask
from backend.project.explanation import LONGEST, explain
from backend.store.round_record import Place, RoundRecord
from model.reason import Kind, Reason

REGION: Region = {
    "id": "a",
    "type": "brushlabels",
    "from_name": "labels",
    "to_name": "image",
    "original_width": 2,
    "original_height": 2,
    "value": {"format": "rle", "rle": [], "brushlabels": ["Axon"]},
}


def test_each_region_tells_why_its_image_is_next() -> None:
    """With the place, the progress, and tasks as people know them; the regions given in stay as they are."""
    places = {
        3: Place(reason=Reason(Kind.COMPARED, "12", (0.52, 0.66), 4), helps=(12,)),
        7: Place(reason="x" * 999),
    }
    record = RoundRecord("v1.r1", "", "v1", order=[7, 3, 9, 4], batch=[], labels=[1, 2], queries=places)
    found = explain(
        {3: [REGION, {**REGION, "id": "b"}], 7: [REGION], 9: [REGION], 5: [REGION], 4: []},
        record,
        lambda tasks: {12: "axons-012.png"} if 12 in list(tasks) else {},
    )
    assert [region["meta"] for region in found[3]] == 2 * [
        {
            "text": [
                "Number 2 of 4 in the recommended order: stands for 3 similar images; helps axons-012.png"
                " most. In figures: expected to raise the dice of axons-012.png from 0.52 to 0.66; represents"
                " 4 images. When it was computed, 2 were labelled."
            ]
        }
    ]
    assert len(found[7][0]["meta"]["text"][0]) < LONGEST + 150
    assert found[9] == found[5] == [REGION], "no reason is known"
    assert found[4] == []
    assert "meta" not in REGION
    assert RoundRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_the_text_is_taken_for_nothing_in_an_annotation() -> None:
    """It comes back with the label that an annotator makes of the mask."""
    polygon = {
        "type": "polygonlabels",
        "from_name": "p",
        "to_name": "image",
        "original_width": 4,
        "original_height": 4,
    }
    config = parse(EXAMPLE.replace("BrushLabels", "PolygonLabels").replace('"labels"', '"p"'))
    value = {"points": [[0, 0], [100, 0], [100, 100], [0, 100]], "polygonlabels": ["Axon"]}
    meta = {"text": ["Number 2 of 4"]}
    plain, told = ([{**polygon, "value": value, **more}] for more in ({}, {"meta": meta}))
    assert to_mask(plain, config, (4, 4)).any()
    assert (to_mask(plain, config, (4, 4)) == to_mask(told, config, (4, 4))).all()
