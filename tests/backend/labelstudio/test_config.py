"""Tests of labelling configurations."""

import pytest

from backend.errors import ConfigError
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.controls import Kind

LABELS = '<Label value="Axon"/><Label value="Myelin" background="red"/>'


def view(body: str) -> str:
    return f"<View>{body}</View>"


def test_the_example_in_the_errors_works() -> None:
    config = parse(EXAMPLE)
    assert (config.image_key, config.image_name, config.labels, config.classes) == (
        "image",
        "image",
        ("Axon",),
        2,
    )
    assert config.writer.kind is Kind.BRUSH


def test_labels_of_several_controls_are_joined_by_name_in_the_order_of_the_configuration() -> None:
    config = parse(
        view(
            '<Header value="Draw"/><Image name="img" value="$photo" zoom="true"/><RectangleLabels'
            ' name="boxes" toName="img"><Label value="Debris"/><Label'
            ' value="Axon"/></RectangleLabels><PolygonLabels name="polygons"'
            f' toName="img">{LABELS}</PolygonLabels><BrushLabels name="brush" toName="img"><View><Label'
            ' value="Axon"/></View></BrushLabels>'
        )
    )
    assert config.labels == ("Debris", "Axon", "Myelin")
    assert [config.class_id(label) for label in ("Debris", "Axon", "Myelin", "Other")] == [1, 2, 3, None]
    assert config.writer.name == "brush"
    assert [getattr(config.writer_of(label), "name", None) for label in config.labels] == [
        None,
        "brush",
        "polygons",
    ]
    assert config.warnings
    assert "'Debris'" in config.warnings[0]


def test_polygons_are_written_where_there_is_no_brush() -> None:
    config = parse(
        view(f'<Image name="i" value="$image"/><PolygonLabels name="p" toName="i">{LABELS}</PolygonLabels>')
    )
    assert config.writer.kind is Kind.POLYGON
    assert not config.warnings


def test_an_alias_is_what_label_studio_stores() -> None:
    config = parse(
        view(
            '<Image name="i" value="$image"/><BrushLabels name="b" toName="i"><Label value="Axon"'
            ' alias="ax"/></BrushLabels>'
        )
    )
    assert config.labels == ("ax",)


@pytest.mark.parametrize(
    ("brush", "box"),
    [
        ('value="Axon" alias="ax"', 'value="Axon"'),
        ('value="Axon"', 'value="Axon" alias="ax"'),
        ('value="Axon"', 'value="axon "'),
    ],
)
def test_labels_that_look_like_one_are_told_and_each_is_learnt(brush: str, box: str) -> None:
    config = parse(
        view(
            f'<Image name="i" value="$image"/><BrushLabels name="b" toName="i"><Label {brush}/></BrushLabels>'
            f'<PolygonLabels name="p" toName="i"><Label {box}/></PolygonLabels>'
        )
    )
    assert len(config.labels) == 2
    assert any("look like one" in text for text in config.warnings)
    for control in config.controls:
        assert config.teaches(control.kind, control.labels[0], control.name)
        assert config.class_id(control.labels[0]) is not None


def test_further_labels_of_the_tasks_are_told_where_they_would_be_learnt() -> None:
    """And a name that begins with a dollar is one."""
    xml = (
        '<Image name="i" value="$image"/><BrushLabels name="b" toName="i" {}><Label value="$5 bill"/>'
        '</BrushLabels><RectangleLabels name="r" toName="i" {}><Label value="$5 bill"/></RectangleLabels>'
    )
    helper, learnt = (parse(view(xml.format(*each))) for each in (("", 'value="$l"'), ('value="$l"', "")))
    assert helper.labels == learnt.labels == ("$5 bill",)
    assert not any("$l" in text for text in helper.warnings)
    assert any("($l)" in text for text in learnt.warnings)


def test_a_label_that_got_an_alias_is_still_known() -> None:
    """By the name under which a model learnt it."""
    label = '<Label value="Axon" alias="ax"/>'
    config = parse(
        view(f'<Image name="i" value="$image"/><BrushLabels name="b" toName="i">{label}</BrushLabels>')
    )
    assert config.has_any(["Axon"])
    assert not config.has_any(["Myelin"])


def test_a_reference_image_beside_is_passed_over() -> None:
    """The image that the labels name is used, wherever it stands; what is drawn on the other is told."""
    images = '<Image name="before" value="$a"/><Image name="after" value="$b"/>'
    config = parse(view(f'{images}<BrushLabels name="b" toName="after">{LABELS}</BrushLabels>'))
    assert (config.image_key, config.image_name, config.warnings) == ("b", "after", ())
    config = parse(
        view(
            f'{images}<PolygonLabels name="p" toName="before">{LABELS}</PolygonLabels>'
            f'<BrushLabels name="b" toName="after">{LABELS}</BrushLabels>'
        )
    )
    assert config.image_name == "after"
    (warning,) = config.warnings
    assert "PolygonLabels 'p'" in warning
    assert "Image 'after'" in warning


def test_what_only_helps_to_draw_is_told_and_no_class() -> None:
    """Prompts of an interactive model, points, boxes beside a brush, and tools without labels."""
    smart = '<KeyPointLabels name="k" toName="i" smart="true"><Label value="Background"/></KeyPointLabels>'
    boxes = '<RectangleLabels name="r" toName="i" smart="true"><Label value="Prompt"/></RectangleLabels>'
    brushes = f'<Image name="i" value="$image"/><BrushLabels name="b" toName="i">{LABELS}</BrushLabels>'
    config = parse(view(brushes + smart + boxes))
    assert (config.labels, config.warnings) == (("Axon", "Myelin"), ())
    assert config.helpers == ("RectangleLabels 'r'", "KeyPointLabels 'k'")
    config = parse(
        view(
            f'{brushes}<RectangleLabels name="r" toName="i">{LABELS}</RectangleLabels><MagicWand name="m"'
            ' toName="i"/>'
        )
    )
    boxes, wand = config.warnings
    assert "RectangleLabels 'r'" in boxes
    assert "MagicWand 'm'" in wand


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ("", "no labelling configuration"),
        ("<View>", "not valid XML"),
        (view(f'<BrushLabels name="b" toName="i">{LABELS}</BrushLabels>'), "no Image, expected one"),
        (
            view('<Image name="i" value="$a"/><Image name="j" value="$b"/>'),
            r"2 Images \('i', 'j'\) and no control that draws on one of them",
        ),
        (view('<Image name="i" value="image"/>'), "value='image', expected the key"),
        (view('<Image name="i" valueList="$images"/>'), "valueList, expected the key"),
        (view('<Image value="$image"/>'), "Image tag has no name"),
        (view('<Image name="image_{{i}}" value="$images[{{i}}].url"/>'), "repeats over several images"),
        (view('<Image name="i" value="$image"/>'), "no control that draws, expected a BrushLabels"),
        (
            view('<Image name="i" value="$image"/><KeyPointLabels name="k" toName="i"/>'),
            "only KeyPointLabels, expected a BrushLabels",
        ),
        (
            view(f'<Image name="i" value="$image"/><BrushLabels name="b" toName="j">{LABELS}</BrushLabels>'),
            "toName='j', expected",
        ),
        (
            view('<Image name="i" value="$image"/><BrushLabels name="b" toName="i"/>'),
            "BrushLabels 'b' has no labels",
        ),
        (
            view('<Image name="i" value="$image"/><BrushLabels name="b" toName="i" value="$l"/>'),
            "from the task data",
        ),
        (
            view(
                '<Image name="i" value="$image"/><BrushLabels name="b" toName="i"><Label value="$c"/>'
                "</BrushLabels>"
            ),
            r"from the task data \(\$c\)",
        ),
        (
            view(f'<Image name="i" value="$image"/><BrushLabels toName="i">{LABELS}</BrushLabels>'),
            "BrushLabels control has no name",
        ),
        (
            view(
                f'<Image name="i" value="$image"/><EllipseLabels name="e" toName="i">{LABELS}</EllipseLabels>'
            ),
            "only with EllipseLabels 'e'",
        ),
    ],
)
def test_an_unusable_configuration_is_told_what_is_missing(config: str, missing: str) -> None:
    with pytest.raises(ConfigError, match=missing):
        parse(config)


def test_more_labels_than_a_mask_can_hold_are_refused() -> None:
    labels = "".join(f'<Label value="{number}"/>' for number in range(256))
    with pytest.raises(ConfigError, match=r"256 labels\b.* 255\b"):
        parse(
            view(f'<Image name="i" value="$image"/><BrushLabels name="b" toName="i">{labels}</BrushLabels>')
        )
