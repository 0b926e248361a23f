"""Regions, the shapes of an annotation or prediction, to masks of class ids and back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.errors import RegionError
from backend.labelstudio import polygons, rle
from backend.labelstudio.config import Kind, LabelConfig
from model.arrays import Mask

Region = dict[str, Any]

TOLERANCE = 0.49
"""Pixels by which a written polygon may deviate from the mask's outline; it saves nine points of ten.

Below half a pixel, because at the image's border the outline runs half a pixel beside the centres, and a whole row would be lost.
"""
MAX_POLYGONS = 300
"""Areas drawn per class, the largest; the labelling page becomes slow with more."""


def to_mask(result: Sequence[Region], config: LabelConfig, size: tuple[int, int], *, name: str = "annotation") -> Mask:
    """Draw the regions of an annotation as class ids, uint8 (H, W), 0 = background; where regions overlap, the later one wins.

    `size` is (height, width) of the image as displayed; `name` is what errors call the annotation ("task 5, annotation 7").
    Results of other kinds (choices, texts, relations) are passed over. Raises RegionError for a region that cannot be drawn: another
    image size, an undecodable brush, a label or control that the configuration does not have.
    """
    mask: Mask = np.zeros(size, dtype=np.uint8)
    if not isinstance(result, list | tuple):
        raise RegionError(f"{name}: the result is {type(result).__name__}, expected a list of regions; label the task again.")
    for region in result:
        if not isinstance(region, dict):
            raise RegionError(f"{name}: found {str(region)[:40]!r} in place of a region; label the task again.")
        if region.get("to_name", config.image_name) != config.image_name or region.get("type") not in _DRAWN:
            continue
        where = f"{name}, region {region.get('id', '?')}"
        try:
            _check_size(region, size)
            _draw(region, Kind(region["type"]), _class_id(region, config), mask)
        except ValueError as error:
            raise RegionError(f"{where}: {error}.") from error
    return mask


def from_mask(mask: Mask, config: LabelConfig, confidence: Sequence[float] | None = None) -> list[Region]:
    """Turn class ids, uint8 (H, W), into regions of the configuration: one brush region per class present, or polygons without a brush.

    `confidence` holds for each class id (background included, so `config.classes` numbers) the mean probability of that class over its
    pixels; it becomes the regions' own `score`. Region ids are unique within the result, and the same for the same mask. A class that no
    brush or polygon control draws is left out. Raises ValueError for ids that the configuration does not have.
    """
    if mask.ndim != 2 or mask.dtype != np.uint8 or int(mask.max(initial=0)) >= config.classes:
        raise ValueError(
            f"the mask is {mask.dtype} {mask.shape} with ids up to {mask.max(initial=0)}, expected uint8 (H, W) below {config.classes}."
        )
    if confidence is not None and len(confidence) != config.classes:
        raise ValueError(f"{len(confidence)} confidences, expected one for each of {config.classes} classes, background included.")
    regions: list[Region] = []
    for class_id, label in enumerate(config.labels, start=1):
        control, pixels = config.writer_of(label), mask == class_id
        if control is None or not pixels.any():
            continue
        score = None if confidence is None else round(min(1.0, max(0.0, float(confidence[class_id]))), 4)
        shapes = _brush(pixels) if control.kind is Kind.BRUSH else _polygons(pixels)
        digest = hashlib.sha256(f"{label} {pixels.shape}".encode() + np.packbits(pixels).tobytes()).hexdigest()[:8]
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


def _class_id(region: Region, config: LabelConfig) -> int:
    kind = Kind(region["type"])
    if config.control(str(region.get("from_name"))) is None:
        known = ", ".join(control.name for control in config.controls)
        raise ValueError(
            f"its control {region.get('from_name')!r} is not in the labelling configuration ({known}); label it again, or put it back"
        )
    value = region.get("value")
    labels = value.get(kind.value) if isinstance(value, dict) else None
    if not isinstance(labels, list) or len(labels) != 1:
        raise ValueError(f"it has the labels {labels!r}, expected exactly one; select one for it")
    class_id = config.class_id(labels[0])
    if class_id is None:
        raise ValueError(
            f"its label {labels[0]!r} is not in the labelling configuration ({', '.join(config.labels)}); relabel it, or put it back"
        )
    return class_id


def _check_size(region: Region, size: tuple[int, int]) -> None:
    # image_rotation only turns the view: Label Studio keeps sizes and coordinates in the image's own frame.
    found = (region.get("original_height"), region.get("original_width"))
    if found not in (size, (None, None)):
        raise ValueError(
            f"it was drawn on an image of {found[1]} x {found[0]} pixels (width x height), "
            f"but the image has {size[1]} x {size[0]}; has it been replaced? Label the task again"
        )


def _draw(region: Region, kind: Kind, class_id: int, mask: Mask) -> None:
    value, (height, width) = region["value"], mask.shape
    if kind is Kind.BRUSH:
        if value.get("format", "rle") != "rle" or "rle" not in value:
            raise ValueError(f"its brush has the format {value.get('format')!r}, expected 'rle' with its bytes; draw it again")
        try:
            mask[rle.decode(value["rle"], (height, width))] = class_id
        except ValueError as error:
            raise ValueError(f"its brush cannot be decoded: {error}; draw it again") from error
        return
    points: polygons.Points = _outline(value, kind) * np.asarray([width / 100, height / 100])
    if kind in (Kind.ELLIPSE, Kind.RECTANGLE):
        points = _turned(points, float(value.get("rotation") or 0))
    if len(points) < 3:
        raise ValueError(f"its polygon has {len(points)} point{'s' if len(points) != 1 else ''}, expected at least 3; draw it again")
    box, inside = polygons.fill(points, (height, width))
    mask[box][inside] = class_id


def _outline(value: dict[str, Any], kind: Kind) -> polygons.Points:
    """Points in per cent of width and height; of a rectangle and an ellipse the first is what it turns around."""
    points: polygons.Points
    try:
        if kind is Kind.POLYGON:
            points = np.asarray(value["points"], dtype=np.float64).reshape(-1, 2)
        else:
            x, y = float(value["x"]), float(value["y"])
            if kind is Kind.RECTANGLE:
                w, h = float(value["width"]), float(value["height"])
                points = np.asarray([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
            else:
                angle = np.linspace(0, 2 * np.pi, 361)[:-1]
                around = np.stack([x + float(value["radiusX"]) * np.cos(angle), y + float(value["radiusY"]) * np.sin(angle)], axis=1)
                points = np.concatenate([[[x, y]], around])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"its {kind.value.removesuffix('labels')} cannot be read ({type(error).__name__}: {error}); draw it again"
        ) from error
    if not np.isfinite(points).all() or np.abs(points).max(initial=0) > 1e6:
        raise ValueError("its coordinates are not finite numbers of per cent; draw it again")
    return points


def _turned(points: polygons.Points, degrees: float) -> polygons.Points:
    """Clockwise around the first point, in pixels: a rectangle's top left corner; the centre of an ellipse, which then is dropped."""
    centre, angle = points[0], np.deg2rad(degrees)
    turn = np.asarray([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned: polygons.Points = (points - centre) @ turn + centre
    return turned if len(points) == 4 else turned[1:]


def _brush(pixels: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
    return [{"format": "rle", "rle": rle.encode(pixels)}]


def _polygons(pixels: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
    scale = np.asarray([100 / pixels.shape[1], 100 / pixels.shape[0]])
    return [{"points": np.round(points * scale, 4).tolist(), "closed": True} for points in polygons.trace(pixels, TOLERANCE)[:MAX_POLYGONS]]
