"""Labelling configurations: which image a task shows, which labels are drawn on it, and by which control."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from xml.etree import ElementTree

from backend.errors import ConfigError

MAX_LABELS = 255
"""Masks are uint8 class ids, 0 is the background."""

EXAMPLE = '<View><Image name="image" value="$image"/><BrushLabels name="labels" toName="image"><Label value="Axon"/></BrushLabels></View>'
"""The smallest configuration that works, quoted in errors."""

_OTHER_SHAPES = {"bitmasklabels", "keypointlabels", "vectorlabels", "rectanglelabels", "ellipselabels"}


class Kind(StrEnum):
    """A control's kind; the value is the `type` of its regions and the key of their labels."""

    BRUSH = "brushlabels"
    POLYGON = "polygonlabels"
    ELLIPSE = "ellipselabels"
    RECTANGLE = "rectanglelabels"

    @property
    def tag(self) -> str:
        """The control's tag in the configuration, as people write it."""
        return f"{self.value.removesuffix('labels').capitalize()}Labels"


@dataclass(frozen=True)
class Control:
    """One drawing tool on the image: its name (`from_name` of its regions), kind and labels in the order of the configuration."""

    name: str
    kind: Kind
    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelConfig:
    """What a labelling configuration means for segmentation; class id of a label = its index in `labels` + 1, 0 = background."""

    image_key: str  # where a task's data holds the image
    image_name: str  # `to_name` of the regions
    labels: tuple[str, ...]  # of all controls together, each once, in the order of the configuration
    controls: tuple[Control, ...]
    writer: Control  # draws the masks: the first brush, else the first polygon
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def classes(self) -> int:
        """Number of classes, background included."""
        return len(self.labels) + 1

    def class_id(self, label: str) -> int | None:
        """Class id of a label's name, None if the configuration does not have it."""
        return self.labels.index(label) + 1 if label in self.labels else None

    def control(self, name: str) -> Control | None:
        """The control of that name, None if there is none."""
        return next((control for control in self.controls if control.name == name), None)

    def writer_of(self, label: str) -> Control | None:
        """The control that draws this label in pre-annotations: a brush if one has it, else a polygon, else None."""
        for kind in (Kind.BRUSH, Kind.POLYGON):
            for control in self.controls:
                if control.kind is kind and label in control.labels:
                    return control
        return None


def parse(label_config: str) -> LabelConfig:
    """Read a labelling configuration (Label Studio's XML). Raises ConfigError that says what is missing or not supported."""
    root = _root(label_config)
    image_key, image_name = _image(root)
    controls = tuple(_controls(root, image_name))
    if not controls:
        raise ConfigError(_no_control(root, image_name))
    labels = tuple(dict.fromkeys(label for control in controls for label in control.labels))
    if len(labels) > MAX_LABELS:
        raise ConfigError(f"The labelling configuration has {len(labels)} labels, expected at most {MAX_LABELS}; remove some.")
    writers = [control for kind in (Kind.BRUSH, Kind.POLYGON) for control in controls if control.kind is kind]
    if not writers:
        found = ", ".join(f"{control.kind.tag} {control.name!r}" for control in controls)
        raise ConfigError(
            f"The labelling configuration draws only with {found}; masks cannot be shown as such. "
            "Add a BrushLabels (or PolygonLabels) control with the same labels."
        )
    drawn = {label for writer in writers for label in writer.labels}
    warnings = tuple(
        f"The label {label!r} is learnt but not pre-annotated: no BrushLabels or PolygonLabels control has it."
        for label in labels
        if label not in drawn
    )
    return LabelConfig(image_key, image_name, labels, controls, writers[0], warnings)


def _root(label_config: str) -> ElementTree.Element:
    if not label_config or not label_config.strip():
        raise ConfigError(f"The project has no labelling configuration; set one under Settings, Labeling Interface, for example {EXAMPLE}")
    try:
        return ElementTree.fromstring(label_config)
    except (ElementTree.ParseError, ValueError) as error:
        raise ConfigError(
            f"The labelling configuration is not valid XML ({error}); correct it under Settings, Labeling Interface."
        ) from error


def _image(root: ElementTree.Element) -> tuple[str, str]:
    images = [element for element in root.iter() if element.tag.lower() == "image"]
    if len(images) != 1:
        found = "no Image" if not images else f"{len(images)} Images ({', '.join(repr(image.get('name')) for image in images)})"
        raise ConfigError(f"The labelling configuration has {found}, expected exactly one, for example {EXAMPLE}")
    image = images[0]
    value = image.get("value") or ""
    if not re.fullmatch(r"\$[^$\s]+", value):
        found = f"value={value!r}" if value else ("valueList" if image.get("valueList") or image.get("valuelist") else "no value")
        raise ConfigError(f'The Image tag has {found}, expected the key of the task data that holds one image, such as value="$image".')
    name = image.get("name")
    if not name:
        raise ConfigError('The Image tag has no name, expected one that the controls refer to, such as name="image" and toName="image".')
    return value[1:], name


def _controls(root: ElementTree.Element, image_name: str) -> list[Control]:
    controls = []
    for element in root.iter():
        try:
            kind = Kind(element.tag.lower())
        except ValueError:
            continue
        name = element.get("name")
        targets = [target.strip() for target in (element.get("toName") or element.get("toname") or "").split(",")]
        if image_name not in targets:
            continue
        if not name:
            raise ConfigError(f'A {kind.tag} control has no name, expected one such as name="labels".')
        # Label Studio stores a label's alias in the results where it has one.
        labels = [label.get("alias") or label.get("value") or "" for label in element.iter() if label.tag.lower() == "label"]
        labels = [label for label in labels if label]
        if not labels:
            dynamic = element.get("value")
            found = f"takes its labels from the task data ({dynamic})" if dynamic else "has no labels"
            raise ConfigError(f'{kind.tag} {name!r} {found}, expected at least one such as <Label value="Axon"/> in it.')
        controls.append(Control(name, kind, tuple(dict.fromkeys(labels))))
    return controls


def _no_control(root: ElementTree.Element, image_name: str) -> str:
    tags = {element.tag.lower(): element for element in root.iter()}
    wanted = f"expected a BrushLabels or PolygonLabels control with toName={image_name!r}"
    for kind in Kind:
        if kind in tags:
            return f"The {kind.tag} control has toName={tags[kind].get('toName')!r}, {wanted}."
    others = sorted(tags[tag].tag for tag in _OTHER_SHAPES & set(tags)) + sorted({"Brush", "Polygon"} & {e.tag for e in tags.values()})
    found = f"only {', '.join(others)}" if others else "no control that draws"
    return f"The labelling configuration has {found}, {wanted}, for example {EXAMPLE}"
