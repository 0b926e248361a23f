"""Images of noise, as the bytes of files."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def noise_png(height: int, width: int, *, dtype: str = "uint8", seed: int = 0, top: int = 0) -> bytes:
    """A gray PNG of 8 or 16 bits; its values lie below `top`, or below the largest."""
    values = np.random.default_rng(seed).integers(0, top or np.iinfo(dtype).max, (height, width))
    stream = io.BytesIO()
    Image.fromarray(values.astype(dtype)).save(stream, "PNG")
    return stream.getvalue()
