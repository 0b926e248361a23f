"""Regions, the shapes of an annotation or prediction, to masks of class ids and back."""

from __future__ import annotations

import base64
import hashlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

from backend.errors import RegionError, UnknownLabelError
from backend.labelstudio.http.answers import Region
from backend.labelstudio.labels import polygons, rle
from backend.labelstudio.labels.config import Kind, LabelConfig
from model.arrays import Mask
from model.data.images import row_blocks

TOLERANCE = 0.49
"""Pixels by which a written polygon may deviate from the mask's outline; it saves nine points of ten.

Below half a pixel, because at the image's border the outline runs half a pixel beside the centres, and a
whole row would be lost.
"""
MAX_POLYGONS = 300
"""Areas drawn per class, the largest; the labelling page becomes slow with more."""

_PIECES_PIXELS = 1 << 24
"""Objects of larger regions are told apart by every second pixel, or third, as it takes 15 bytes a pixel."""


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
    if not isinstance(result, list | tuple):
        raise RegionError(
            f"{name}: the result is {type(result).__name__}, expected a list of regions; label the task"
            " again."
        )
    shapes: list[_Shape] = []
    passed_over = 0
    for region in result:
        if not isinstance(region, dict):
            raise RegionError(
                f"{name}: found {str(region)[:40]!r} in place of a region; label the task again."
            )
        if region.get("to_name") in config.others:
            continue
        if region.get("type") not in _DRAWN:
            passed_over += region.get("type") in _POINTS_AND_BARE_SHAPES
            continue
        where = f"{name}, region {region.get('id', '?')}"
        try:
            _check_size(region, size)
            kind, label = Kind(region["type"]), _label(region)
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
            shapes.append((class_id, where, partial(_shape, region, kind, size)))
        except ValueError as error:
            raise RegionError(f"{where}: {error}.") from error
    mask, overlaps = _painted(shapes, size)
    named = tuple(
        f"{pixels} pixels are marked {config.labels[winner - 1]!r} and {config.labels[loser - 1]!r}; "
        f"the smaller object, {config.labels[winner - 1]!r}, has them"
        for (winner, loser), pixels in overlaps.items()
    )
    return Drawing(mask, named, passed_over)


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
_Pixels = tuple[tuple[slice, slice], npt.NDArray[np.bool_]]
"""Box of rows and columns, and which pixels of the box are marked."""
_Shape = tuple[int, str, Callable[[], _Pixels]]
"""Class id, what errors call it, and what works out its pixels:
one at a time is held, as each may cover a large image."""


def _painted(shapes: Sequence[_Shape], size: tuple[int, int]) -> tuple[Mask, dict[tuple[int, int], int]]:
    """The mask, and for each two classes (the one that has them, the other) how many pixels both of them
    marked. Raises RegionError."""
    mask: Mask = np.zeros(size, dtype=np.uint8)
    overlapping = False
    for class_id, where, pixels in shapes:
        try:
            box, inside = pixels()
        except ValueError as error:
            raise RegionError(f"{where}: {error}.") from error
        held = mask[box]
        overlapping = overlapping or bool((inside & (held != 0) & (held != class_id)).any())
        held[inside] = class_id
    if not overlapping:
        return mask, {}
    mask[:] = 0
    areas = np.full(size, np.iinfo(np.int32).max, dtype=np.int32)  # pixels of the object that has a pixel
    overlaps: dict[tuple[int, int], int] = {}
    for class_id, _, pixels in shapes:
        box, inside = pixels()
        held, smallest = mask[box], areas[box]
        step, pieces = _pieces(inside)
        for first, end in row_blocks(*inside.shape):
            rows = slice(first, end)
            area = pieces[np.arange(first, end) // step][:, np.arange(inside.shape[1]) // step]
            _paint(class_id, inside[rows], area, held[rows], smallest[rows], overlaps)
    return mask, overlaps


def _pieces(inside: npt.NDArray[np.bool_]) -> tuple[int, npt.NDArray[np.int32]]:
    """How many pixels the connected piece of each pixel has, by every `step`-th row and column;
    what lies between these is tiny."""
    step = max(1, math.ceil(math.sqrt(inside.size / _PIECES_PIXELS)))
    _, pieces, statistics, _ = cv2.connectedComponentsWithStats(inside[::step, ::step].astype(np.uint8))
    areas = (statistics[:, cv2.CC_STAT_AREA] * step**2)[pieces]
    if step > 1:  # the pixels at the edge of a piece, whose row or column is not looked at, count with it
        coarse = np.where(pieces > 0, areas, 0).astype(np.float32)
        areas = np.where(pieces > 0, coarse, cv2.dilate(coarse, np.ones((3, 3)))).clip(min=1).astype(np.int32)
    return step, areas


def _paint(
    class_id: int,
    inside: npt.NDArray[np.bool_],
    area: npt.NDArray[np.int32],
    mask: Mask,
    areas: npt.NDArray[np.int32],
    overlaps: dict[tuple[int, int], int],
) -> None:
    """Draw pixels `inside`, which are of objects of `area` pixels, where nothing smaller is, and count in
    what is drawn twice."""
    won = inside & (area <= areas)
    for other in np.unique(mask[inside]):
        if other not in (0, class_id):
            both = inside & (mask == other)
            taken = int((both & won).sum())
            for pair, pixels in (
                ((class_id, int(other)), taken),
                ((int(other), class_id), int(both.sum()) - taken),
            ):
                if pixels:
                    overlaps[pair] = overlaps.get(pair, 0) + pixels
    mask[won] = class_id
    areas[won] = area[won]


def _label(region: Mapping[str, Any]) -> str:
    value, kind = region.get("value"), Kind(region["type"])
    labels = value.get(kind.value) if isinstance(value, dict) else None
    if not isinstance(labels, list) or len(labels) != 1:
        raise ValueError(f"it has the labels {labels!r}, expected exactly one; select one for it")
    return str(labels[0])


def _check_size(region: Mapping[str, Any], size: tuple[int, int]) -> None:
    # image_rotation only turns the view: Label Studio keeps sizes and coordinates in the image's own frame.
    found = (region.get("original_height"), region.get("original_width"))
    if found not in (size, (None, None)):
        raise ValueError(
            f"it was drawn on an image of {found[1]} x {found[0]} pixels (width x height), "
            f"but the image has {size[1]} x {size[0]}; has it been replaced? Label the task again"
        )


def _shape(region: Mapping[str, Any], kind: Kind, size: tuple[int, int]) -> _Pixels:
    value, (height, width) = region["value"], size
    if kind is Kind.BRUSH:
        if value.get("format", "rle") != "rle" or "rle" not in value:
            raise ValueError(
                f"its brush has the format {value.get('format')!r}, expected 'rle' with its bytes; draw it"
                " again"
            )
        try:
            return _boxed(rle.decode(value["rle"], size))
        except ValueError as error:
            raise ValueError(f"its brush cannot be decoded: {error}; draw it again") from error
    if kind is Kind.BITMASK:
        return _boxed(_bitmask(value, size))
    points: polygons.Points = _outline(value, kind) * np.asarray([width / 100, height / 100])
    if kind in (Kind.ELLIPSE, Kind.RECTANGLE):
        points = _turned(points, float(value.get("rotation") or 0))
    if len(points) < 3:
        raise ValueError(
            f"its polygon has {len(points)} point{'s' if len(points) != 1 else ''}, expected at least 3; draw"
            " it again"
        )
    return polygons.fill(points, size)


def _boxed(marked: npt.NDArray[np.bool_]) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
    """The smallest box that holds all marked pixels, and those of it."""
    rows, columns = (np.flatnonzero(marked.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), dtype=bool)
    box = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    return box, marked[box]


def _bitmask(value: Mapping[str, Any], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The pixels of a bitmask, a PNG in a data: address: those that are not transparent."""
    try:
        content = base64.b64decode(str(value["imageDataURL"]).partition("base64,")[2], validate=True)
        with PIL.Image.open(io.BytesIO(content)) as image:
            found = (image.height, image.width)
            if found == size:  # else it is not decoded: it may be of any size
                image.load()
                marked: npt.NDArray[np.bool_] = np.empty(size, dtype=bool)
                for first, end in row_blocks(*size):
                    marked[first:end] = (
                        np.asarray(image.crop((0, first, size[1], end)).convert("RGBA"))[..., 3] > 127
                    )
                return marked
    except (KeyError, ValueError, OSError, PIL.Image.DecompressionBombError) as error:
        raise ValueError(
            f"its bitmask cannot be decoded ({type(error).__name__}: {error}); draw it again"
        ) from error
    raise ValueError(
        f"its bitmask has {found[1]} x {found[0]} pixels, but the image {size[1]} x {size[0]}; draw it again"
    )


def _outline(value: Mapping[str, Any], kind: Kind) -> polygons.Points:
    """Points in per cent of width and height;
    of a rectangle and an ellipse the first is what it turns around."""
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
                around = np.stack(
                    [
                        x + float(value["radiusX"]) * np.cos(angle),
                        y + float(value["radiusY"]) * np.sin(angle),
                    ],
                    axis=1,
                )
                points = np.concatenate([[[x, y]], around])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"its {kind.value.removesuffix('labels')} cannot be read ({type(error).__name__}: {error}); draw"
            " it again"
        ) from error
    if not np.isfinite(points).all() or np.abs(points).max(initial=0) > 1e6:
        raise ValueError("its coordinates are not finite numbers of per cent; draw it again")
    return points


def _turned(points: polygons.Points, degrees: float) -> polygons.Points:
    """Clockwise around the first point, in pixels: a rectangle's top left corner;
    the centre of an ellipse, which then is dropped."""
    centre, angle = points[0], np.deg2rad(degrees)
    turn = np.asarray([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned: polygons.Points = (points - centre) @ turn + centre
    return turned if len(points) == 4 else turned[1:]


def _brush(pixels: npt.NDArray[np.bool_]) -> list[dict[str, object]]:
    return [{"format": "rle", "rle": rle.encode(pixels)}]


def _polygons(pixels: npt.NDArray[np.bool_]) -> list[dict[str, object]]:
    scale = np.asarray([100 / pixels.shape[1], 100 / pixels.shape[0]])
    return [
        {"points": np.round(points * scale, 4).tolist(), "closed": True}
        for points in polygons.trace(pixels, TOLERANCE, MAX_POLYGONS)
    ]
