"""Which label a pixel has where regions overlap, and which regions mean pixels at all."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.errors import RegionError
from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.regions import draw_regions, to_mask
from tests.backend.labelstudio.test_regions import (
    BOXES,
    BRUSH,
    BRUSH_XML,
    LABELS,
    brushed,
    disc,
    region,
)

SEGMENT_ANYTHING = parse(
    '<View><Image name="image" value="$image" zoom="true"/><BrushLabels name="tag" toName="image"><Label'
    ' value="Axon"/></BrushLabels><KeyPointLabels name="tag2" toName="image" smart="true"><Label value="Axon"'
    ' smart="true" showInline="true"/></KeyPointLabels><RectangleLabels name="tag3" toName="image"'
    ' smart="true"><Label value="Axon" showInline="true"/></RectangleLabels></View>'
)
"""As Label Studio's documentation has it."""


def test_a_nucleus_is_not_covered_by_its_cell_whichever_was_drawn_first() -> None:
    """The smaller object has the pixels, by object and not by region:
    all nuclei may be one region, larger than one cell."""
    nuclei = disc(50, 50, 8) | disc(50, 120, 8) | disc(20, 180, 14)
    regions = [
        brushed(nuclei, "Axon"),
        brushed(disc(50, 50, 15), "Myelin"),
        brushed(disc(50, 120, 15), "Myelin"),
    ]
    for drawn in (regions, regions[::-1], [regions[1], regions[0], regions[2]]):
        drawing = draw_regions(drawn, BRUSH, (100, 200))
        assert ((drawing.mask == 1) == nuclei).all()
        assert ((drawing.mask == 2) == (disc(50, 50, 15) | disc(50, 120, 15)) & ~nuclei).all()
        (told,) = drawing.overlaps
        assert (
            told == f"{2 * disc(50, 50, 8).sum()} pixels are marked 'Axon' and 'Myelin'; the smaller object,"
            " 'Axon', has them"
        )


def test_of_overlapping_objects_of_one_size_the_later_wins() -> None:
    boxes = [
        region("rectangle", {"x": 0, "y": 0, "width": 50, "height": 50}, "Myelin"),
        region("rectangle", {"x": 25, "y": 0, "width": 50, "height": 50}, "Axon"),
    ]
    mask = to_mask(boxes, BOXES, (100, 200))
    assert (mask[0, 0], mask[0, 60], mask[0, 140]) == (2, 1, 1)
    assert to_mask(boxes[::-1], BOXES, (100, 200))[0, 60] == 2


def test_regions_of_one_label_may_overlap_without_a_word() -> None:
    drawing = draw_regions(
        [brushed(disc(50, 50, 15), "Axon"), brushed(disc(50, 55, 8), "Axon")], BRUSH, (100, 200)
    )
    assert (drawing.mask == disc(50, 50, 15)).all()
    assert drawing.overlaps == ()


def test_prompts_of_an_interactive_model_are_no_masks() -> None:
    """Key points and boxes beside the brush, as Label Studio's template for Segment Anything has them."""
    true = disc(50, 50, 9)
    prompts = [
        region("keypoint", {"x": 25, "y": 50, "width": 0.5}, from_name="tag2"),
        region("rectangle", {"x": 10, "y": 10, "width": 40, "height": 60}, from_name="tag3"),
    ]
    drawing = draw_regions([*prompts, brushed(true, "Axon", from_name="tag")], SEGMENT_ANYTHING, (100, 200))
    assert (drawing.mask.astype(bool) == true).all()
    assert drawing.passed_over == 2


@pytest.mark.parametrize(
    ("smart", "kind", "teaches"),
    [
        ("", "rectangle", False),
        ("", "ellipse", True),
        ("true", "rectangle", False),
        ("true", "ellipse", False),
        ("true", "polygon", True),
    ],
)
def test_what_means_pixels_beside_a_brush(smart: str, kind: str, teaches: bool) -> None:
    """Outlines do, boxes do not;
    of a smart control only polygons, which an interactive model may have drawn."""
    tag = f"{kind.capitalize()}Labels"
    config = parse(
        BRUSH_XML.replace(
            "</View>", f'<{tag} name="{kind}" toName="image" smart="{smart}">{LABELS}</{tag}></View>'
        )
    )
    values: dict[str, dict[str, Any]] = {
        "rectangle": {"x": 10, "y": 10, "width": 20, "height": 20},
        "ellipse": {"x": 20, "y": 20, "radiusX": 10, "radiusY": 10},
        "polygon": {"points": [[10, 10], [30, 10], [30, 30]]},
    }
    drawing = draw_regions([region(kind, values[kind])], config, (100, 200))
    assert drawing.mask.any() == teaches
    assert drawing.passed_over == (not teaches)


def test_bitmasks_are_read_beside_a_brush() -> None:
    """Label Studio's newer brush keeps a PNG: what is not transparent is marked."""
    config = parse(
        BRUSH_XML.replace(
            "</View>", f'<BitmaskLabels name="bitmask" toName="image">{LABELS}</BitmaskLabels></View>'
        )
    )
    true, pixels, stream = disc(40, 60, 20), np.zeros((100, 200, 4), np.uint8), io.BytesIO()
    pixels[true] = (255, 0, 0, 255)
    Image.fromarray(pixels).save(stream, "PNG")
    address = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
    assert (
        to_mask([region("bitmask", {"imageDataURL": address}, "Myelin")], config, (100, 200)) == 2 * true
    ).all()
    with pytest.raises(RegionError, match="200 x 100 pixels, but the image 100 x 200"):
        to_mask([region("bitmask", {"imageDataURL": address}, size=(200, 100))], config, (200, 100))
