"""The pixels of an image on their way into a network: the working size, and intensities that do not depend on
the camera."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from model.arrays import Array
from model.data.images.header import MIN_SIDE
from model.errors import ImageError

BLOCK_PIXELS = 1 << 22
"""Pixels of a large image that are worked on at once, 4 million: as many as an image of 2048 x 2048 has."""
CLIP_FRACTION = 0.001
"""Share of pixels cut off at either end of the intensities before standardising:
hot and dead pixels, glare."""
CLIP_PIXELS = 32
"""At most this many pixels' worth is cut:
0.1 % of a 2048 x 2048 image is more than the area of five nuclei, which may be all there are."""


def working_size(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    """Scale (height, width) down so that the longer side is `max_side`, keeping the aspect ratio; never up.

    Of a long strip the shorter side stays at MIN_SIDE, if it had that, and the longer one above `max_side`:
    a network sees nothing in less. Raises ImageError if `max_side` is below MIN_SIDE.
    """
    if max_side is None:
        return size
    if max_side < MIN_SIDE:
        raise ImageError(
            f"max_side is {max_side} pixels, expected at least {MIN_SIDE}; leave it out for full resolution."
        )
    longest = max(size)
    if longest <= max_side:
        return size
    scaled = round(size[0] * max_side / longest), round(size[1] * max_side / longest)
    if min(scaled) < MIN_SIDE:
        shorter = min(size)
        kept = min(shorter, MIN_SIDE)
        scaled = round(size[0] * kept / shorter), round(size[1] * kept / shorter)
    return scaled


def shrink(raw: Array, max_side: int | None) -> Array:
    """Average pixels of (H, W) or (H, W, 3) over areas to `working_size`: float32;
    unchanged if it is small enough."""
    size = working_size((raw.shape[0], raw.shape[1]), max_side)
    return raw if size == raw.shape[:2] else resample(raw, size)


def resample(array: Array, size: tuple[int, int]) -> Array:
    """Resize (H, W) or (H, W, C) to `size` = (height, width) by box averaging, channel by channel:
    float32."""
    planes = array[..., None] if array.ndim == 2 else array
    result: Array = np.empty((*size, planes.shape[2]), dtype=np.float32)
    scale = array.shape[0] / size[0]
    for start, end in row_blocks(size[0], round(array.shape[1] * max(1.0, scale))):
        top, bottom = start * scale, end * scale
        first, last = max(0, int(top) - 1), min(array.shape[0], int(bottom) + 2)
        for channel in range(planes.shape[2]):
            rows = Image.fromarray(np.ascontiguousarray(planes[first:last, :, channel], dtype=np.float32))
            box = (0, max(0.0, top - first), array.shape[1], min(bottom - first, last - first))
            result[start:end, :, channel] = rows.resize((size[1], end - start), Image.Resampling.BOX, box=box)
    return result[..., 0] if array.ndim == 2 else result


def row_blocks(rows: int, width: int) -> Iterator[tuple[int, int]]:
    """(first, end) of blocks of whole rows of `width` pixels that hold BLOCK_PIXELS at most;
    of a small image, all of its rows.

    All but the last have a multiple of 8 rows. What is worked out block by block needs memory for one only.
    """
    step = max(8, BLOCK_PIXELS // max(1, width) // 8 * 8)
    for first in range(0, rows, step):
        yield first, min(rows, first + step)


def clipped_share(size: tuple[int, ...]) -> float:
    """Which share of the values of an image of (height, width) is clipped at either end."""
    return min(CLIP_FRACTION, CLIP_PIXELS / (size[0] * size[1]))


def normalise(raw: Array, *, name: str = "image") -> Array:
    """Standardise intensities (H, W) or (H, W, 3) of any real dtype to float32 (H, W, 3):
    outliers clipped, mean 0, deviation 1.

    Clip and moments are taken jointly over the channels, so that colours keep their relation;
    the result does not depend on the scale or offset of the intensities (8 or 16 bit).
    Gray is repeated in three channels.
    Raises ImageError for NaN or infinity, a constant image, no pixels, or another shape;
    `name` is what the error calls the image.
    """
    if (
        raw.ndim not in (2, 3)
        or (raw.ndim == 3 and raw.shape[2] != 3)
        or raw.size == 0
        or raw.dtype.kind not in "buif"
    ):
        raise ImageError(
            f"{name}: found shape {raw.shape} of {raw.dtype}, expected real numbers in (H, W) or (H, W, 3);"
            " convert it first."
        )
    values: Array = raw.astype(np.float32 if raw.dtype.itemsize <= 2 else np.float64)
    if not np.isfinite(values).all():
        raise ImageError(
            f"{name}: holds NaN or infinite values, expected finite intensities; replace them and save the"
            " image again."
        )
    # Dark fluorescence is only clipped, not compressed:
    # on the 54 fluorescence images of DSB 2018 the best single threshold common to all reaches dice 0.880 on
    # the linear scale, 0.871 after a square root, 0.876 after asinh(10 x), although these bring the largest
    # value from 14.5 down to 9.9 and 9.5 deviations.
    share = clipped_share(raw.shape[:2])
    low, high = (float(value) for value in np.quantile(values, [share, 1 - share]))
    if (
        not high > low
    ):  # less than the clipped share differs from the rest: a black image with a few bright pixels
        low, high = float(values.min()), float(values.max())
    half = high / 2 - low / 2  # halves, because high - low overflows for floats near the largest
    if not half > 0:
        raise ImageError(
            f"{name}: every pixel has the value {low:g}, expected an image with contrast; export it again."
        )
    unit = np.clip((values / 2 - low / 2) / half, 0, 1)
    unit -= unit.mean(dtype=np.float64)
    unit /= unit.std(dtype=np.float64)
    result = unit.astype(np.float32, copy=False)
    return np.repeat(result[..., None], 3, axis=2) if result.ndim == 2 else result
