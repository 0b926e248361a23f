"""Black and white masks whose values a lossy format, a resizing or a drawing program has blurred."""

import numpy as np
from scipy import ndimage

from model.arrays import Array

NEAR = 24
"""What a uniform area of black or white may differ from 0 or 255."""
EVEN = 8
"""Most that values differ within a uniform area of a lossy format."""
BLACK, WHITE = 63, 192
"""Values up to and from which a pixel beside an edge still counts as black and white: JPEG rings there."""
MIDDLE = 128
"""From this value on a pixel is foreground."""
RINGING = 0.5
"""Gray pixels for each pixel of an outline that a lossy format makes:
0 to 0.25 for JPEG at quality 30 to 95, 0.8 at quality 10, which is refused like a third value drawn around
the objects (1.0 and more)."""
MOST_GRAY = 0.05
"""Share of the pixels that may be gray in a lossy format."""
BLENDING = 3
"""Gray pixels for each pixel of an outline that resizing or smoothing makes:
0.8 for a drawing program, 2.1 for a fourfold enlargement."""
FEW = 3
"""Different values between black and white from which on they are blended edges;
one or two are classes of their own."""
FLAT = 0.1
"""Share of the pixels that must lie in areas of one number; in an image hardly any do."""
UNIFORM = 0.1
"""Share of the pixels between black and white that may lie in areas of one number;
in classes and numbered objects most do."""


def find_foreground(values: Array, *, lossy: bool) -> Array | None:
    """The foreground, bool (H, W), of uint8 (H, W) that is black and white but for its edges;
    None if it is anything else.

    Uniform areas must be nearly 0 or 255, grays must lie between both, and be few. `lossy`:
    the format changes values a little.
    """
    low, high = int(values.min()), int(values.max())
    if high == 0 or low == 255:
        return values > 0
    if low > NEAR or high < 255 - NEAR:
        return None
    between = (values > 0) & (values < 255)
    if not lossy:
        flat = _spread(values, 3) == 0
        if (
            len(np.unique(values[between])) < FEW
            or between[flat].sum() > UNIFORM * between.sum()
            or flat.mean() < FLAT
        ):
            return None
    clearly = (values > NEAR) & (values < 255 - NEAR)
    if clearly[_spread(values, 5 if lossy else 3) <= (EVEN if lossy else 0)].any():
        return None
    gray = (values > BLACK) & (values < WHITE)
    reach = 5 if lossy else 7
    alone = gray & ~(
        (ndimage.minimum_filter(values, reach) <= BLACK) & (ndimage.maximum_filter(values, reach) >= WHITE)
    )
    foreground = values >= MIDDLE
    outline = int((foreground & ~ndimage.binary_erosion(foreground, border_value=1)).sum())
    most = min(RINGING * outline, MOST_GRAY * values.size) if lossy else BLENDING * outline
    if gray.sum() > most or alone.sum() > 0.25 * gray.sum():
        return None
    return np.asarray(foreground)


def _spread(values: Array, side: int) -> Array:
    """How much the values differ in the square around each pixel, uint8 (H, W)."""
    return np.asarray(ndimage.maximum_filter(values, side) - ndimage.minimum_filter(values, side))
