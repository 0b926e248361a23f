"""Regions, the shapes of an annotation or prediction, to masks of class ids and back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.errors import RegionError, UnknownLabelError
from backend.labelstudio.http.answers import Region
from backend.labelstudio.labels import rle
from backend.labelstudio.labels.config import LabelConfig
from backend.labelstudio.labels.controls import Kind
from backend.labelstudio.labels.painting import Shape, paint
from backend.labelstudio.labels.shapes import read_pixels
from model.arrays import Mask
from model.export import polygons

TOLERANCE = 0.49
"""Pixels by which a written polygon may deviate from the mask's outline; it saves nine points of ten.

Below half a pixel, because at the image's border the outline runs half a pixel beside the centres, and a
whole row would be lost.
"""
MAX_POLYGONS = 300
"""Areas drawn per class, the largest; the labelling page becomes slow with more."""


@dataclass(frozen=True)
class Drawing:
    """What the regions of an annotation mean."""

    mask: Mask
    """Class ids, uint8 (H, W), 0 = background."""
    overlaps: tuple[str, ...] = ()
    """Where pixels belong to two labels: which label has them, and how many."""
    passed_over: int = 0
    """Shapes that mean no pixels of a label:
    points, boxes beside a brush, prompts for an interactive model."""


def to_mask(
    result: Sequence[Mapping[str, Any]],
    config: LabelConfig,
    size: tuple[int, int],
    *,
    name: str = "annotation",
) -> Mask:
    """The mask of `draw_regions` alone."""
    return draw_regions(result, config, size, name=name).mask


def draw_regions(
    result: Sequence[Mapping[str, Any]],
    config: LabelConfig,
    size: tuple[int, int],
    *,
    name: str = "annotation",
) -> Drawing:
    """Draw the regions of an annotation as class ids;
    a pixel belongs to the smallest object drawn over it, whichever was drawn first.

    So a nucleus is not covered by its cell. An object is a connected piece of a region;
    of two of the same size the later wins. `size` is (height, width) of the image as displayed;
    `name` is what errors call the annotation ("task 5, annotation 7").
    Results of other kinds (choices, texts, relations), on another image of the task, and of tools that only
    help to draw are passed over.
    A control or an image that has another name in the configuration by now is taken for the same, as the
    label says what is meant. Raises RegionError for a region that cannot be drawn:
    another image size, an undecodable brush, a label that the configuration does not have.
    """
    shapes, passed_over = _read_shapes(result, config, size, name)
    mask, overlaps = paint(shapes, size)
    named = tuple(
        f"{pixels} pixels are marked {config.labels[winner - 1]!r} and {config.labels[loser - 1]!r}; "
        f"the smaller object, {config.labels[winner - 1]!r}, has them"
        for (winner, loser), pixels in overlaps.items()
    )
    return Drawing(mask, named, passed_over)


def read_parts(
    result: Sequence[Mapping[str, Any]], config: LabelConfig, size: tuple[int, int], *, name: str
) -> Iterator[tuple[int, tuple[slice, slice], npt.NDArray[np.bool_]]]:
    """The shapes that `draw_regions` draws, the largest first: class id, box of rows and columns, and which
    pixels of the box are meant. Raises RegionError as it does."""
    shapes, _ = _read_shapes(result, config, size, name)
    for _, _, (class_id, _, pixels) in sorted(
        ((-int(shape[2]()[1].sum()), number, shape) for number, shape in enumerate(shapes)),
        key=lambda item: item[:2],
    ):
        yield class_id, *pixels()


def _read_shapes(
    result: Sequence[Mapping[str, Any]], config: LabelConfig, size: tuple[int, int], name: str
) -> tuple[list[Shape], int]:
    """The shapes of a result, and how many others mean no pixels of a label. Raises RegionError."""
    if not isinstance(result, list | tuple):
        raise RegionError(
            f"{name}: the result is {type(result).__name__}, expected a list of regions; label the task"
            " again."
        )
    shapes: list[Shape] = []
    passed_over = 0
    for region in result:
        if not isinstance(region, dict):
            raise RegionError(
                f"{name}: found {str(region)[:40]!r} in place of a region; label the task again."
            )
        if region.get("to_name") in config.others:
            continue
        of_type = str(region.get("type"))
        if of_type not in _DRAWN:
            passed_over += of_type in _POINTS_AND_BARE_SHAPES
            continue
        where = f"{name}, region {region.get('id', '?')}"
        try:
            _check_size(region, size)
            kind, label = Kind(of_type), _label(region)
            if not config.teaches(kind, label, str(region.get("from_name"))):
                passed_over += 1
                continue
            class_id = config.class_id(label)
            if class_id is None:
                known = ", ".join(config.labels)
                text = (
                    f"{where}: its label {label!r} is not in the labelling configuration ({known}); relabel"
                    " it, or put it back."
                )
                raise UnknownLabelError(text, label=label)
            shapes.append((class_id, where, partial(read_pixels, region, kind, size)))
        except ValueError as error:
            raise RegionError(f"{where}: {error}.") from error
    return shapes, passed_over


def fits(region: Mapping[str, Any], config: LabelConfig) -> bool:
    """Whether Label Studio can show a region under the configuration:
    its control, kind, label and image are there."""
    control = config.control(str(region.get("from_name")))
    if (
        control is None
        or control.kind.value != region.get("type")
        or region.get("to_name") != config.image_name
    ):
        return False
    return _label(region) in control.labels


def from_mask(mask: Mask, config: LabelConfig, confidence: Sequence[float] | None = None) -> list[Region]:
    """Turn class ids, uint8 (H, W), into regions of the configuration:
    one brush region per class present, or polygons without a brush.

    `confidence` holds for each class id (background included, so `config.classes` numbers) the mean
    probability of that class over its pixels; it becomes the regions' own `score`.
    Region ids are unique within the result, and the same for the same mask.
    A class that no brush or polygon control draws is left out.
    Raises ValueError for ids that the configuration does not have.
    """
    if mask.ndim != 2 or mask.dtype != np.uint8 or int(mask.max(initial=0)) >= config.classes:
        raise ValueError(
            f"the mask is {mask.dtype} {mask.shape} with ids up to {mask.max(initial=0)}, expected uint8 (H,"
            f" W) below {config.classes}."
        )
    if confidence is not None and len(confidence) != config.classes:
        raise ValueError(
            f"{len(confidence)} confidences, expected one for each of {config.classes} classes, background"
            " included."
        )
    regions: list[Region] = []
    for class_id, label in enumerate(config.labels, start=1):
        control, pixels = config.writer_of(label), mask == class_id
        if control is None or not pixels.any():
            continue
        score = None if confidence is None else round(min(1.0, max(0.0, float(confidence[class_id]))), 4)
        shapes = _brush(pixels) if control.kind is Kind.BRUSH else _polygons(pixels)
        digest = hashlib.sha256(
            f"{label} {pixels.shape}".encode() + np.packbits(pixels).tobytes()
        ).hexdigest()[:8]
        for number, shape in enumerate(shapes):
            region: Region = {
                "id": f"{digest}{number:x}",
                "type": control.kind.value,
                "from_name": control.name,
                "to_name": config.image_name,
                "original_width": mask.shape[1],
                "original_height": mask.shape[0],
                "image_rotation": 0,
                "origin": "prediction",
                "value": {**shape, control.kind.value: [label]},
            }
            regions.append(region if score is None else {**region, "score": score})
    return regions


_DRAWN = {kind.value for kind in Kind}
_POINTS_AND_BARE_SHAPES = {
    "keypointlabels",
    "keypoint",
    "vectorlabels",
    "vector",
    "labels",
    *(kind.value.removesuffix("labels") for kind in Kind),
    "magicwand",
}


def _label(region: Mapping[str, Any]) -> str:
    value, kind = region.get("value"), Kind(region["type"])
    labels = value.get(kind.value) if isinstance(value, dict) else None
    if not isinstance(labels, list) or len(labels) != 1:
        raise ValueError(f"it has the labels {labels!r}, expected exactly one; select one for it")
    return str(labels[0])


def _check_size(region: Mapping[str, Any], size: tuple[int, int]) -> None:
    # image_rotation only turns the view: Label Studio keeps sizes and coordinates in the image's own frame.
    found = tuple(_number(region.get(f"original_{side}")) for side in ("height", "width"))
    if found not in (size, (None, None)):
        raise ValueError(
            f"it was drawn on an image of {found[1]} x {found[0]} pixels (width x height), "
            f"but the image has {size[1]} x {size[0]}; has it been replaced? Label the task again"
        )


def _number(value: object) -> object:
    """A length as a number where it is one in text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _brush(pixels: npt.NDArray[np.bool_]) -> list[dict[str, object]]:
    return [{"format": "rle", "rle": rle.encode(pixels)}]


def _polygons(pixels: npt.NDArray[np.bool_]) -> list[dict[str, object]]:
    scale = np.asarray([100 / pixels.shape[1], 100 / pixels.shape[0]])
    return [
        {"points": np.round(points * scale, 4).tolist(), "closed": True}
        for points in polygons.trace(pixels, TOLERANCE, MAX_POLYGONS)
    ]
