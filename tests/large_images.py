"""Small files of large images, and small labels of large images."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from backend.labelstudio.labels import rle

CONFIG = """<View><Image name="image" value="$image"/>
<BrushLabels name="brush" toName="image"><Label value="A"/><Label value="B"/></BrushLabels>
<PolygonLabels name="polygon" toName="image"><Label value="A"/><Label value="B"/></PolygonLabels></View>"""
POLYGONS = CONFIG.replace("<BrushLabels", "<EllipseLabels").replace("</BrushLabels", "</EllipseLabels")
"""Masks are drawn as polygons."""


def gray(side: int) -> npt.NDArray[np.uint8]:
    """Squares of 50 x 50 of any brightness."""
    squares = np.random.default_rng(0).integers(0, 255, (50, 50), dtype=np.uint8)
    return np.kron(squares, np.ones((side // 50, side // 50), dtype=np.uint8))


def colour(side: int) -> npt.NDArray[np.uint8]:
    found = gray(side)
    return np.stack([found, found[::-1], found.T], axis=-1)


def _pillow(pixels: npt.NDArray[np.uint8], kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def _tiff(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, compression="zlib", **options)
    return stream.getvalue()


FILES: dict[str, Callable[[int], bytes]] = {
    "PNG, gray": lambda side: _pillow(gray(side), "PNG"),
    "PNG, colour": lambda side: _pillow(colour(side), "PNG"),
    "PNG, 16-bit colour": lambda side: bytes(
        imagecodecs.png_encode(colour(side).astype(np.uint16) * 257, level=1)
    ),
    "JPEG, progressive": lambda side: _pillow(colour(side), "JPEG", progressive=True),
    "WebP": lambda side: _pillow(colour(side), "WEBP", quality=30, method=0),
    "TIFF, strips": lambda side: _tiff(gray(side).astype(np.uint16), rowsperstrip=64),
    "TIFF, tiles": lambda side: _tiff(colour(side), tile=(256, 256)),
    "TIFF, float colour": lambda side: _tiff(colour(side).astype(np.float32), photometric="rgb"),
}
"""By kind: an image of so many pixels a side, in a file of less than a hundredth."""


def brush(mask: npt.NDArray[np.bool_], label: str) -> dict[str, Any]:
    value = {"format": "rle", "rle": rle.encode(mask), "brushlabels": [label]}
    return {**_region(mask.shape[0]), "type": "brushlabels", "from_name": "brush", "value": value}


def polygon(points: npt.NDArray[np.float64], label: str, side: int) -> dict[str, Any]:
    value = {"points": points.tolist(), "polygonlabels": [label]}
    return {**_region(side), "type": "polygonlabels", "from_name": "polygon", "value": value}


def _region(side: int) -> dict[str, Any]:
    return {"id": "r", "to_name": "image", "original_width": side, "original_height": side}


def discs(side: int, shift: int = 0) -> npt.NDArray[np.bool_]:
    rows, columns = np.ogrid[0:side, 0:side]
    return ((rows + shift) % 600 - 300) ** 2 + (columns % 600 - 300) ** 2 < 200**2


def corners(side: int, number: int) -> npt.NDArray[np.bool_]:
    """Two specks as far from each other as there is room."""
    rows, columns = np.ogrid[0:side, 0:side]
    near = (rows - 40 - 20 * number) ** 2 + (columns - 40) ** 2 < 100
    return near | ((rows - side + 40) ** 2 + (columns - side + 40 + 20 * number) ** 2 < 100)


def jagged(points: int) -> npt.NDArray[np.float64]:
    """Points by turns far above and far below the image."""
    return np.stack([np.linspace(0, 100, points), np.where(np.arange(points) % 2, 1e6, -1e6)], axis=1)


LABELS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "brush": lambda side: [brush(discs(side), "A")],
    "12 brushes": lambda side: [brush(corners(side, number), "A") for number in range(12)],
    "brushes on one another": lambda side: [brush(discs(side), "A"), brush(discs(side, 100), "B")],
    "jagged polygon": lambda side: [polygon(jagged(400), "A", side)],
    "polygon far beyond the image": lambda side: [
        polygon(np.asarray([[-1e6, -1e6], [1e6, -1e6], [0, 1e6]]), "B", side)
    ],
}
