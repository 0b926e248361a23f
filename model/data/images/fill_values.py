"""Values that mark pixels without data, as -9999 or -3.4e38 do: beside them, all that an image shows would be
alike."""

import numpy as np
import numpy.typing as npt

from model.arrays import Array
from model.data.images.pixels import clipped_share
from model.errors import ImageError

FAR_BELOW, FAR_ABOVE = 2, 100
"""How many times as far from all other values as these from each other the lowest value, below zero, and the
highest have to lie. A camera counts nothing below zero; a saturated pixel may lie far above the others, but
its blurred edge lies between."""
BEYOND_CAMERAS = 1e6
"""As far, even a single pixel is none of a camera's: a smaller image would mix it into its neighbours."""
FULL_SCALES = (1, 255, 1023, 4095, 16383)
"""What a saturated or stuck pixel counts, as a fraction or in the bits of a camera: no mark, however dim the
others are; 65535 is often one."""
LEAST_GRAYS = 16
"""Different values between the two, below which the image is a drawing in few grays."""
SAMPLE = 1 << 22
"""Values from which the range of the others is taken, 4 million of a larger image."""


def refuse_fill(array: Array, name: str) -> None:
    """Raise ImageError where the lowest or highest value of an image (H, W) or (H, W, 3), signed integers or
    finite floats, is none of its intensities, and covers more than what is clipped of outliers.

    0 may be, and so may fractions: a background that was set to 0 is one once the image is standardised.
    """
    if array.dtype.kind not in "if":
        return
    low, high = array.min(), array.max()
    inner = _between(array, low, high)
    if np.unique(inner).size < LEAST_GRAYS:
        return
    share = clipped_share(array.shape[:2])
    first, last = (float(value) for value in np.quantile(inner, [share, 1 - share]))
    if not last > first:
        first, last = float(inner.min()), float(inner.max())
    above = array.min(where=array != low, initial=high)
    below = array.max(where=array != high, initial=low)
    for value, nearest, enough in (
        (low, above, FAR_BELOW if low < 0 else BEYOND_CAMERAS),
        (high, below, FAR_ABOVE),
    ):
        far = abs(float(value) - float(nearest)) / (last - first)
        count = int((array == value).sum())
        many = count > share * array.size
        marks = far > BEYOND_CAMERAS or (many and far > enough)
        if marks and value and value not in FULL_SCALES and float(value).is_integer():
            raise ImageError(
                f"{name}: found the value {value:g} {count} times, far from the others ({first:g} to"
                f" {last:g}), as software marks pixels without data; expected intensities alone. Replace them"
                " by one of the others, or cut them off, and save the image again."
            )


def _between(array: Array, low: float, high: float) -> npt.NDArray[np.float64]:
    """The values between the lowest and the highest, of a large image some of its rows."""
    rows = array[:: max(1, array.size // SAMPLE)]
    return rows[(rows > low) & (rows < high)].astype(np.float64)
