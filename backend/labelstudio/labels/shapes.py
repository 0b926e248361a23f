"""Which pixels the shape of one region means: a brush, bitmask, polygon, box or ellipse."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from backend.labelstudio.labels import rle
from backend.labelstudio.labels.controls import Kind
from model.data.images.pixels import row_blocks
from model.export import polygons

Pixels = tuple[tuple[slice, slice], npt.NDArray[np.bool_]]
"""Box of rows and columns, and which pixels of the box are marked."""


def read_pixels(region: Mapping[str, Any], kind: Kind, size: tuple[int, int]) -> Pixels:
    """The pixels of a region of an image of `size` = (height, width).
    Raises ValueError that says what is wrong with it."""
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
    outline, degrees = _outline(value, kind)
    points: polygons.Points = outline * np.asarray([width / 100, height / 100])
    if kind in (Kind.ELLIPSE, Kind.RECTANGLE):
        points = _turned(points, degrees)
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
    # Pillow raises SyntaxError for a damaged PNG
    except (KeyError, ValueError, OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise ValueError(
            f"its bitmask cannot be decoded ({type(error).__name__}: {error}); draw it again"
        ) from error
    raise ValueError(
        f"its bitmask has {found[1]} x {found[0]} pixels, but the image {size[1]} x {size[0]}; draw it again"
    )


def _outline(value: Mapping[str, Any], kind: Kind) -> tuple[polygons.Points, float]:
    """Points in per cent of width and height, and the degrees by which they are to be turned;
    of a rectangle and an ellipse the first is what it turns around."""
    points: polygons.Points
    degrees = 0.0
    try:
        if kind is Kind.POLYGON:
            points = np.asarray(value["points"], dtype=np.float64)
            if points.size and points.shape[1:] != (2,):
                raise ValueError(f"points of {points.shape[-1]} numbers, expected 2: x and y")
            points = points.reshape(-1, 2)
        else:
            degrees = float(value.get("rotation") or 0)
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
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"its {kind.value.removesuffix('labels')} cannot be read ({type(error).__name__}: {error}); draw"
            " it again"
        ) from error
    if not np.isfinite([*points.ravel(), degrees]).all() or np.abs(points).max(initial=0) > 1e6:
        raise ValueError("its coordinates are not finite numbers of per cent; draw it again")
    return points, degrees


def _turned(points: polygons.Points, degrees: float) -> polygons.Points:
    """Clockwise around the first point, in pixels: a rectangle's top left corner;
    the centre of an ellipse, which then is dropped."""
    centre, angle = points[0], np.deg2rad(degrees)
    turn = np.asarray([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned: polygons.Points = (points - centre) @ turn + centre
    return turned if len(points) == 4 else turned[1:]
