"""Small pictures of images with a mask drawn on them."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.data.images.pixels import shrink
from model.data.masks.class_ids import resize_mask

SIDE = 360
"""Pixels of the longer side: sharp in a card of 180 on a screen of two pixels a point."""
QUALITY = 82
COLOURS = ((255, 176, 0), (0, 190, 255), (255, 92, 141), (120, 220, 80), (190, 140, 255), (255, 240, 90))
"""Of the classes 1, 2, ..., and again from the start:
bright on gray images, told apart by people who see few colours."""
FILL = 0.28

Mask = npt.NDArray[np.uint8]


def thumbnail(raw: npt.NDArray[np.generic], mask: Mask | None) -> bytes:
    """A JPEG of a decoded image, (H, W) or (H, W, 3) of any dtype, with the mask, class ids, filled lightly
    and outlined.

    The image may be shrunk to SIDE already, and the mask larger than it.
    """
    raw = shrink(raw, SIDE)
    picture = _visible(raw)
    if mask is not None:
        picture = overlay(picture, resize_mask(mask, (raw.shape[0], raw.shape[1])))
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def overlay(picture: npt.NDArray[np.uint8], mask: Mask) -> npt.NDArray[np.uint8]:
    """The mask (H, W) drawn on a picture (H, W, 3)."""
    drawn = picture.astype(np.float32)
    edge = _edge(mask)
    for class_id in np.unique(mask[mask > 0]).tolist():
        colour = np.array(COLOURS[(class_id - 1) % len(COLOURS)], dtype=np.float32)
        inside = mask == class_id
        drawn[inside] = (1 - FILL) * drawn[inside] + FILL * colour
        drawn[inside & edge] = colour
    return drawn.round().astype(np.uint8)


def _edge(mask: Mask) -> npt.NDArray[np.bool_]:
    """Pixels with a neighbour (above, below, left, right) of another class."""
    padded = np.pad(mask, 1, mode="edge")
    centre = padded[1:-1, 1:-1]
    others = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    edge: npt.NDArray[np.bool_] = np.any([other != centre for other in others], axis=0)
    return edge


def _visible(raw: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Intensities of any dtype as (H, W, 3) bytes, from the darkest to the brightest hundredth."""
    values = raw.astype(np.float32)
    low, high = np.quantile(values, [0.005, 0.995])
    scaled = np.clip((values - low) / max(float(high - low), 1e-9), 0, 1) * 255
    gray = scaled.round().astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2) if gray.ndim == 2 else gray
