"""Tasks and the bytes of their images."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def png(seed: int, value: int | None = None) -> bytes:
    """An image of noise, or of one gray."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (48, 64), dtype=np.uint8)
    Image.fromarray(pixels if value is None else np.full_like(pixels, value)).save(stream, "PNG")
    return stream.getvalue()


def task(address: object, number: int = 5) -> dict[str, Any]:
    """A task that shows one image."""
    return {"id": number, "data": {"image": address}}
