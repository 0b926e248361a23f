"""The arrays that everything else is about."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
"""A normalised image at working resolution: (H, W, 3)."""
Mask = npt.NDArray[np.uint8]
"""Which class every pixel belongs to: (H, W) class ids, 0 = background."""
Array = np.ndarray[Any, Any]
"""An array as files hold it, of any shape and dtype."""
