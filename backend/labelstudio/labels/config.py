"""Labelling configurations: which image a task shows, which labels are drawn on it, and by which control."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from backend.errors import ConfigError
from backend.labelstudio.labels.config_warnings import warn_of_controls, warn_of_twins
from backend.labelstudio.labels.controls import WRITERS, Control, Kind, list_controls, teaches

MAX_LABELS = 255
"""Masks are uint8 class ids, 0 is the background."""

EXAMPLE = (
    '<View><Image name="image" value="$image"/><BrushLabels name="labels" toName="image"><Label'
    ' value="Axon"/></BrushLabels></View>'
)
"""The smallest configuration that works, quoted in errors."""

_UNLABELLED = ("labels", "brush", "polygon", "rectangle", "ellipse", "bitmask", "magicwand")
"""Controls whose shapes carry no label of their own, or get it from a separate Labels control."""
_POINTS = ("keypointlabels", "keypoint", "vectorlabels", "vector")
"""Controls that mark no pixels."""


@dataclass(frozen=True)
class LabelConfig:
    """What a labelling configuration means for segmentation;
    class id of a label = its index in `labels` + 1, 0 = background."""

    image_key: str  # where a task's data holds the image
    image_name: str  # `to_name` of the regions
    labels: tuple[str, ...]  # of all controls that teach, each once, in the order of the configuration
    controls: tuple[Control, ...]
    writer: Control  # draws the masks: the first brush, else the first polygon
    warnings: tuple[str, ...] = field(default=(), compare=False)
    helpers: tuple[str, ...] = field(
        default=(), compare=False
    )  # controls that only help to draw, as people know them
    others: tuple[str, ...] = ()  # names of everything else in the configuration, such as a second image
    shown: Mapping[str, str] = field(
        default_factory=dict
    )  # a label as annotators read it, to its alias, which Label Studio stores

    @property
    def classes(self) -> int:
        """Number of classes, background included."""
        return len(self.labels) + 1

    def class_id(self, label: str) -> int | None:
        """Class id of a label's name, None if the configuration does not have it.
        Drawn before it got an alias, it is the same label."""
        stored = self._stored(label)
        return self.labels.index(stored) + 1 if stored in self.labels else None

    def has_any(self, labels: Iterable[str]) -> bool:
        """Whether one of these labels is in the configuration, by its name or by its alias."""
        return any(self.class_id(label) is not None for label in labels)

    def _stored(self, label: str) -> str:
        """The name that Label Studio stores for a label."""
        return label if label in self.labels else self.shown.get(label, label)

    def control(self, name: str) -> Control | None:
        """The control of that name, None if there is none."""
        return next((control for control in self.controls if control.name == name), None)

    def teaches(self, kind: Kind, label: str, control: str = "") -> bool:
        """Whether a region of that kind means the pixels of the label, and not merely where to look for it.

        Brushes, polygons and bitmasks always do.
        Boxes and ellipses of a smart control are prompts for an interactive model;
        other boxes mean pixels only where no tool that follows outlines has the label.
        """
        drawn_by = self.control(control)
        smart = drawn_by is not None and drawn_by.kind is kind and drawn_by.smart
        return teaches(kind, smart, self._stored(label), self.controls)

    def writer_of(self, label: str) -> Control | None:
        """The control that draws this label in pre-annotations:
        a brush if one has it, else a polygon, else None."""
        for kind in WRITERS:
            for control in self.controls:
                if control.kind is kind and label in control.labels:
                    return control
        return None


def parse(label_config: str) -> LabelConfig:
    """Read a labelling configuration (Label Studio's XML).
    Raises ConfigError that says what is missing or not supported.

    Of several images the one that the first brush (then polygon, bitmask, ...) draws on is used.
    """
    root = _root(label_config)
    image_key, image_name, other_images = _image(root)
    controls = tuple(_controls(root, image_name))
    if not controls:
        raise ConfigError(_no_control(root, image_name))
    taught = {
        label
        for control in controls
        for label in control.labels
        if teaches(control.kind, control.smart, label, controls)
    }
    labels = tuple(
        dict.fromkeys(label for control in controls for label in control.labels if label in taught)
    )
    if len(labels) > MAX_LABELS:
        raise ConfigError(
            f"The labelling configuration has {len(labels)} labels, expected at most {MAX_LABELS}; remove"
            " some."
        )
    writers = [control for kind in WRITERS for control in controls if control.kind is kind]
    if not writers:
        raise ConfigError(
            f"The labelling configuration draws only with {list_controls(controls)}; masks cannot be shown as"
            " such. Add a BrushLabels (or PolygonLabels) control with the same labels."
        )
    points, unlabelled = _beside(root, image_name, _POINTS), _beside(root, image_name, _UNLABELLED)
    prompts = [
        control
        for control in controls
        if not any(teaches(control.kind, control.smart, each, controls) for each in control.labels)
    ]
    return LabelConfig(
        image_key,
        image_name,
        labels,
        controls,
        writers[0],
        warnings=(
            *warn_of_controls(
                labels,
                controls,
                prompts,
                unlabelled,
                _elsewhere(root, image_name, other_images),
                image_name,
            ),
            *warn_of_twins(labels, _aliases(root)),
            *_dynamic(root, {control.name for control in controls} - {each.name for each in prompts}),
        ),
        helpers=tuple(map(str, prompts)) + tuple(points),
        others=tuple(name for element in root.iter() if (name := element.get("name")) and name != image_name),
        shown=_aliases(root),
    )


def _dynamic(root: ElementTree.Element, names: Collection[str]) -> Iterator[str]:
    """Controls of these names that take further labels from the data of each task."""
    for element in root.iter():
        if element.get("name") in names and _is_variable(element.get("value") or ""):
            yield (
                f"{element.tag} {element.get('name')!r} takes further labels from the task data"
                f" ({element.get('value')}): what is labelled with these cannot be learnt, as they are not"
                " known here; write all of them into the configuration."
            )


def _root(label_config: str) -> ElementTree.Element:
    if not label_config or not label_config.strip():
        raise ConfigError(
            "The project has no labelling configuration; set one under Settings, Labeling Interface, for"
            f" example {EXAMPLE}"
        )
    try:
        return ElementTree.fromstring(label_config)
    except (ElementTree.ParseError, ValueError) as error:
        raise ConfigError(
            f"The labelling configuration is not valid XML ({error}); correct it under Settings, Labeling"
            " Interface."
        ) from error


def _image(root: ElementTree.Element) -> tuple[str, str, list[str]]:
    """Key of the task's data and name of the image that is drawn on, and the names of the other images."""
    images = [element for element in root.iter() if element.tag.lower() == "image"]
    if not images:
        raise ConfigError(f"The labelling configuration has no Image, expected one, for example {EXAMPLE}")
    image = images[0] if len(images) == 1 else _drawn_on(root, images)
    value = image.get("value") or ""
    if "{{" in value:
        raise ConfigError(
            f"The Image tag repeats over several images (value={value!r}), expected one image a task, such as"
            ' value="$image"; import each image as a task of its own.'
        )
    if not re.fullmatch(r"\$[^$\s]+", value):
        found = (
            f"value={value!r}"
            if value
            else ("valueList" if image.get("valueList") or image.get("valuelist") else "no value")
        )
        raise ConfigError(
            f"The Image tag has {found}, expected the key of the task data that holds one image, such as"
            ' value="$image".'
        )
    name = image.get("name")
    if not name:
        raise ConfigError(
            'The Image tag has no name, expected one that the controls refer to, such as name="image" and'
            ' toName="image".'
        )
    return value[1:], name, [str(other.get("name")) for other in images if other is not image]


def _drawn_on(root: ElementTree.Element, images: Sequence[ElementTree.Element]) -> ElementTree.Element:
    """Of several images the one that is labelled; the others are there to be looked at."""
    named = {image.get("name"): image for image in images}
    for kind in (*WRITERS, Kind.BITMASK, Kind.ELLIPSE, Kind.RECTANGLE):
        for element in root.iter():
            if element.tag.lower() == kind.value:
                for target in _targets(element):
                    if target in named:
                        return named[target]
    names = ", ".join(repr(image.get("name")) for image in images)
    raise ConfigError(
        f"The labelling configuration has {len(images)} Images ({names}) and no control that draws on one of"
        " them, expected BrushLabels or PolygonLabels with toName set to the one that is labelled, for"
        f" example {EXAMPLE}"
    )


def _targets(element: ElementTree.Element) -> list[str]:
    return [target.strip() for target in (element.get("toName") or element.get("toname") or "").split(",")]


def _controls(root: ElementTree.Element, image_name: str) -> list[Control]:
    controls = []
    for element in root.iter():
        try:
            kind = Kind(element.tag.lower())
        except ValueError:
            continue
        name = element.get("name")
        if image_name not in _targets(element):
            continue
        if not name:
            raise ConfigError(f'A {kind.tag} control has no name, expected one such as name="labels".')
        tags = [label for label in element.iter() if label.tag.lower() == "label"]
        # Label Studio stores a label's alias in the results where it has one.
        labels = [stored for label in tags if (stored := label.get("alias") or label.get("value"))]
        variable = next(filter(_is_variable, labels), "" if labels else element.get("value") or "")
        if not labels or variable:
            found = f"takes labels from the task data ({variable})" if variable else "has no labels"
            raise ConfigError(
                f'{kind.tag} {name!r} {found}, expected fixed ones such as <Label value="Axon"/> in it.'
            )
        smart = _is_smart(element) or all(_is_smart(label) for label in tags)
        controls.append(Control(name, kind, tuple(dict.fromkeys(labels)), smart))
    return controls


def _is_variable(label: str) -> bool:
    """Whether Label Studio puts a value of the task's data in its place; "$5" is a name."""
    return re.fullmatch(r"\$[^\W\d]\w*", label) is not None


def _is_smart(element: ElementTree.Element) -> bool:
    return (element.get("smart") or element.get("smartOnly") or "").strip().lower() in ("true", "1")


def _aliases(root: ElementTree.Element) -> dict[str, str]:
    found = [
        (label.get("value"), label.get("alias")) for label in root.iter() if label.tag.lower() == "label"
    ]
    return {value: alias for value, alias in found if value and alias}


def _beside(root: ElementTree.Element, image_name: str, tags: Sequence[str]) -> list[str]:
    """Controls of other kinds on the image, as people know them."""
    found = [
        element for element in root.iter() if element.tag.lower() in tags and image_name in _targets(element)
    ]
    return [f"{element.tag} {element.get('name')!r}" for element in found]


def _elsewhere(root: ElementTree.Element, image_name: str, other_images: Sequence[str]) -> list[str]:
    """Drawing controls of other images only."""
    kinds = {kind.value for kind in Kind}
    found = [
        element
        for element in root.iter()
        if element.tag.lower() in kinds and image_name not in _targets(element)
    ]
    return [
        f"{element.tag} {element.get('name')!r}"
        for element in found
        if set(_targets(element)) & set(other_images)
    ]


def _no_control(root: ElementTree.Element, image_name: str) -> str:
    tags = {element.tag.lower(): element for element in root.iter()}
    wanted = f"expected a BrushLabels or PolygonLabels control with toName={image_name!r}"
    for kind in Kind:
        if kind in tags:
            return f"The {kind.tag} control has toName={tags[kind].get('toName')!r}, {wanted}."
    others = sorted(tags[tag].tag for tag in {*_POINTS, *_UNLABELLED} & set(tags))
    found = f"only {', '.join(others)}" if others else "no control that draws"
    return f"The labelling configuration has {found}, {wanted}, for example {EXAMPLE}"
