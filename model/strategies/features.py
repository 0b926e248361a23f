"""How alike the feature vectors of images are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def cosine_similarity(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Cosine of the angle between every two of (N, channels) vectors: float64 (N, N) in [-1, 1];
    a zero vector is similar to none."""
    wide = features.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    unit = np.divide(wide, length, out=np.zeros_like(wide), where=length > 0)
    return np.clip(unit @ unit.T, -1.0, 1.0)
