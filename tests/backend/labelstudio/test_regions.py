"""Tests of regions and masks."""

import base64
import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from backend.errors import RegionError, UnknownLabelError
from backend.labelstudio.labels import rle
from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.regions import from_mask, to_mask

LABELS = '<Label value="Axon"/><Label value="Myelin"/>'


BRUSH_XML = (
    '<View><Image name="image" value="$image"/><BrushLabels name="brush"'
    f' toName="image">{LABELS}</BrushLabels></View>'
)


POLYGON_XML = BRUSH_XML.replace("Brush", "Polygon").replace("brush", "polygons")


ALL_XML = (
    '<View><Image name="image" value="$image"/><BrushLabels name="brush"'
    f' toName="image">{LABELS}</BrushLabels><PolygonLabels name="polygon"'
    f' toName="image">{LABELS}</PolygonLabels><EllipseLabels name="ellipse"'
    f' toName="image">{LABELS}</EllipseLabels><RectangleLabels name="rectangle"'
    f' toName="image">{LABELS}</RectangleLabels><Choices name="quality" toName="image"><Choice'
    ' value="good"/></Choices></View>'
)


BRUSH, POLYGON, ALL = parse(BRUSH_XML), parse(POLYGON_XML), parse(ALL_XML)


BOXES = parse(
    '<View><Image name="image" value="$image"/><RectangleLabels name="rectangle"'
    f' toName="image">{LABELS}</RectangleLabels><BrushLabels name="brush" toName="image"><Label'
    ' value="Soma"/></BrushLabels></View>'
)
"""Boxes mean pixels here: nothing else draws their labels."""


MASKS = st.tuples(st.integers(1, 24), st.integers(1, 24)).flatmap(
    lambda size: arrays(np.uint8, size, elements=st.integers(0, 2))
)


Mask = npt.NDArray[np.uint8]


def damaged_png() -> str:
    """One of 200 x 100 pixels whose first piece of data has a wrong length, in base64."""
    stream = io.BytesIO()
    Image.new("RGBA", (200, 100)).save(stream, "PNG")
    content = stream.getvalue()
    return base64.b64encode(content[:33] + bytes(4) + content[37:]).decode()


def region(
    kind: str, value: dict[str, Any], label: str = "Axon", size: tuple[int, int] = (100, 200), **fields: Any
) -> dict[str, Any]:
    return {
        "id": "r1",
        "type": f"{kind}labels",
        "from_name": kind,
        "to_name": "image",
        "original_height": size[0],
        "original_width": size[1],
        "image_rotation": 0,
        "value": {**value, f"{kind}labels": [label]},
        **fields,
    }


@given(MASKS)
@settings(deadline=None)
def test_brush_masks_come_back(mask: Mask) -> None:
    assert (to_mask(from_mask(mask, BRUSH), BRUSH, (mask.shape[0], mask.shape[1])) == mask).all()


@given(MASKS)
@example(np.array([[0, *[1] * 12, 0], [1] * 14], dtype=np.uint8))
@settings(deadline=None)
def test_polygon_masks_come_back_nearly(mask: Mask) -> None:
    """Outlines are simplified by less than half a pixel, so that only pixels at an edge between classes can
    change."""
    found = to_mask(from_mask(mask, POLYGON), POLYGON, (mask.shape[0], mask.shape[1]))
    padded = np.pad(mask, 1, mode="edge")
    shifts = [
        padded[dy : dy + mask.shape[0], dx : dx + mask.shape[1]] for dy in (0, 1, 2) for dx in (0, 1, 2)
    ]
    inner = np.all([shift == mask for shift in shifts], axis=0)
    assert (found[inner] == mask[inner]).all()


def test_polygon_masks_of_real_shapes_come_back() -> None:
    y, x = np.mgrid[:120, :160]
    mask = ((np.hypot(x - 80, y - 60) < 45) & (np.hypot(x - 80, y - 60) > 30)).astype(np.uint8)
    mask[np.hypot(x - 80, y - 60) < 20] = 2
    found = to_mask(from_mask(mask, POLYGON), POLYGON, mask.shape)
    assert (found != mask).mean() < 0.01


def test_regions_are_unique_repeatable_and_hold_the_confidence() -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[2:10, 3:20], mask[15:25, 20:35] = 1, 2
    regions = from_mask(mask, BRUSH, confidence=[0.99, 0.91237, 0.7])
    assert [(item["value"]["brushlabels"], item["score"]) for item in regions] == [
        (["Axon"], 0.9124),
        (["Myelin"], 0.7),
    ]
    assert regions == from_mask(mask.copy(), BRUSH, confidence=[0.99, 0.91237, 0.7])
    assert len({item["id"] for item in regions}) == 2
    assert all("score" not in item for item in from_mask(mask, BRUSH))
    many = from_mask((np.indices((60, 60)).sum(axis=0) % 9 < 3).astype(np.uint8), POLYGON)
    assert len({item["id"] for item in many}) == len(many) > 5


@pytest.mark.parametrize("xml", [BRUSH_XML, POLYGON_XML, ALL_XML])
def test_what_is_written_passes_label_studios_own_check(xml: str) -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[2:10, 3:20], mask[15:25, 20:35] = 1, 2
    prediction = {
        "result": from_mask(mask, parse(xml), [1, 0.5, 0.25]),
        "score": 0.5,
        "model_version": "v1.r1",
    }
    from label_studio_sdk.label_interface.interface import LabelInterface  # takes seconds

    assert LabelInterface(xml).validate_prediction(prediction, return_errors=True) == []


def test_an_empty_mask_has_no_regions_and_no_regions_are_background() -> None:
    assert from_mask(np.zeros((5, 5), np.uint8), BRUSH) == []
    assert not to_mask([], BRUSH, (5, 5)).any()


def test_a_class_without_a_brush_or_polygon_is_not_drawn() -> None:
    config = parse(ALL_XML.replace(LABELS, '<Label value="Axon"/>', 2))
    regions = from_mask(np.full((4, 4), 2, np.uint8), config)
    assert config.labels == ("Axon", "Myelin")
    assert regions == []


def test_masks_and_confidences_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="ids up to 3, expected uint8"):
        from_mask(np.full((4, 4), 3, np.uint8), BRUSH)
    with pytest.raises(ValueError, match="2 confidences, expected one for each of 3 classes"):
        from_mask(np.ones((4, 4), np.uint8), BRUSH, [0.5, 0.5])


def test_rectangles_turn_around_their_top_left_corner() -> None:
    value = {"x": 10, "y": 20, "width": 20, "height": 30}
    mask = to_mask([region("rectangle", value)], BOXES, (100, 200))
    assert mask[20:50, 20:60].all()
    assert mask.sum() == 30 * 40
    # Turned by 90 degrees clockwise the width points down and the height to the left:
    # from (20, 20) to (-10, 60).
    mask = to_mask([region("rectangle", {**value, "rotation": 90})], BOXES, (100, 200))
    assert mask[20:60, 0:20].all()
    assert mask.sum() == 40 * 20
    half = to_mask([region("rectangle", {**value, "rotation": 45})], BOXES, (100, 200))
    assert abs(int(half.sum()) - 1200) < 60
    assert half[22, 20]


def test_ellipses_turn_around_their_centre_in_pixels() -> None:
    value = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10}  # 40 and 10 pixels
    y, x = np.mgrid[:100, :200]
    mask = to_mask([region("ellipse", value)], ALL, (100, 200))
    expected = ((x + 0.5 - 100) / 40) ** 2 + ((y + 0.5 - 50) / 10) ** 2 < 1
    assert (mask.astype(bool) != expected).sum() <= 8
    turned = to_mask([region("ellipse", {**value, "rotation": 90})], ALL, (100, 200))
    expected = ((x + 0.5 - 100) / 10) ** 2 + ((y + 0.5 - 50) / 40) ** 2 < 1
    assert (turned.astype(bool) != expected).sum() <= 8


def test_polygons_are_in_per_cent() -> None:
    mask = to_mask([region("polygon", {"points": [[10, 10], [60, 10], [60, 60], [10, 60]]})], ALL, (100, 200))
    assert mask[10:60, 20:120].all()
    assert mask.sum() == 50 * 100


def test_the_view_being_turned_changes_nothing() -> None:
    value = {"x": 10, "y": 20, "width": 20, "height": 30}
    straight, turned = (
        to_mask([region("rectangle", value, image_rotation=angle)], ALL, (100, 200)) for angle in (0, 90)
    )
    assert (straight == turned).all()


def disc(row: int, column: int, radius: int, size: tuple[int, int] = (100, 200)) -> npt.NDArray[np.bool_]:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.asarray((rows - row) ** 2 + (columns - column) ** 2 <= radius**2)


def brushed(marked: npt.NDArray[np.bool_], label: str, **fields: Any) -> dict[str, Any]:
    return region("brush", {"format": "rle", "rle": rle.encode(marked)}, label, **fields)


def test_a_control_an_image_or_a_label_that_got_another_name_is_still_understood() -> None:
    """The label says what is meant: a renamed tag loses no label, and an alias may be added later."""
    renamed = parse(
        BRUSH_XML.replace('"image"', '"photo"')
        .replace('"brush"', '"marker"')
        .replace('"Axon"', '"Axon" alias="ax"')
    )
    assert (to_mask([brushed(disc(50, 50, 9), "Axon")], renamed, (100, 200)) == disc(50, 50, 9)).all()
    assert (to_mask([brushed(disc(50, 50, 9), "ax")], renamed, (100, 200)) == disc(50, 50, 9)).all()


def test_a_label_whose_name_is_gone_is_named() -> None:
    with pytest.raises(
        UnknownLabelError, match="its label 'Soma' is not in the labelling configuration"
    ) as raised:
        to_mask([brushed(disc(50, 50, 9), "Soma")], BRUSH, (100, 200))
    assert raised.value.label == "Soma"


def test_other_results_are_passed_over() -> None:
    others: list[dict[str, Any]] = [
        {"type": "choices", "from_name": "quality", "to_name": "image", "value": {"choices": ["good"]}},
        {"type": "relation", "from_id": "a", "to_id": "b"},
        {"type": "textarea", "from_name": "t", "to_name": "image", "value": {"text": ["hello"]}},
        region("rectangle", {"x": 0, "y": 0, "width": 50, "height": 50}, to_name="reference"),
    ]
    beside = parse(ALL_XML.replace("</View>", '<Image name="reference" value="$reference"/></View>'))
    assert not to_mask(others, beside, (100, 200)).any()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            region("brush", {"format": "rle", "rle": [1, 2, 3]}),
            "brush cannot be decoded: 3 bytes are no brush mask; draw it again",
        ),
        (
            region("brush", {"format": "rle", "rle": rle.encode(np.ones((5, 5), bool))}),
            "holds 25 pixels, expected 200 x 100",
        ),
        (region("brush", {"format": "png"}), "format 'png', expected 'rle'"),
        (
            region("brush", {"format": "rle", "rle": []}, "Dendrite"),
            r"label 'Dendrite' is not in the labelling configuration \(Axon, Myelin\)",
        ),
        (
            region("brush", {"rle": []}, size=(50, 200)),
            "image of 200 x 50 pixels .* but the image has 200 x 100",
        ),
        ({**region("brush", {}), "value": {"rle": []}}, "labels None, expected exactly one"),
        ({**region("brush", {}), "value": {"brushlabels": ["Axon", "Myelin"]}}, "expected exactly one"),
        ({**region("brush", {}), "value": None}, "labels None"),
        (region("polygon", {"points": [[1, 2], [3]]}), "polygon cannot be read"),
        (region("polygon", {}), "polygon cannot be read"),
        (
            region("polygon", {"points": [[10, 10]]}),
            "polygon has 1 point, expected at least 3; draw it again",
        ),
        (region("polygon", {"points": [[0, 0], [float("nan"), 2], [3, 4]]}), "not finite"),
        (region("ellipse", {"x": 1, "y": 2, "radiusX": None, "radiusY": 2}), "ellipse cannot be read"),
        (region("ellipse", {"x": "left", "y": 2}), "ellipse cannot be read"),
        (region("polygon", {"points": [[10, 10, 1], [60, 10, 1], [60, 60, 1]]}), "points of 3 numbers"),
        (region("polygon", {"points": [[0, 0], [10**400, 2], [3, 4]]}), "polygon cannot be read"),
        (
            region("ellipse", {"x": 1, "y": 2, "radiusX": 3, "radiusY": 4, "rotation": [90]}),
            "ellipse cannot be read",
        ),
        (
            region("ellipse", {"x": 1, "y": 2, "radiusX": 3, "radiusY": 4, "rotation": float("nan")}),
            "not finite",
        ),
        (
            region("bitmask", {"imageDataURL": f"data:image/png;base64,{damaged_png()}"}),
            "bitmask cannot be decoded",
        ),
        (
            region("ellipse", {"x": 1, "y": 2, "radiusX": 3, "radiusY": 4, "rotation": "up"}),
            "cannot be read|could not convert",
        ),
    ],
)
def test_a_region_that_cannot_be_drawn_names_the_task(broken: dict[str, Any], message: str) -> None:
    with pytest.raises(RegionError, match=f"^task 5, annotation 7, region r1: .*({message})"):
        to_mask([broken], ALL, (100, 200), name="task 5, annotation 7")


def test_lengths_may_be_told_as_text_and_a_type_may_be_anything() -> None:
    brush = region("brush", {"format": "rle", "rle": rle.encode(np.ones((100, 200), bool))})
    told = {**brush, "original_width": "200", "original_height": "100"}
    assert to_mask([told, {**brush, "type": []}], ALL, (100, 200)).all()


def test_a_result_that_is_no_list_of_regions_names_the_task() -> None:
    for wrong in ({"a": 1}, "text", [1, 2]):
        with pytest.raises(RegionError, match=r"^task 5: "):
            to_mask(wrong, ALL, (10, 10), name="task 5")  # type: ignore[arg-type]
