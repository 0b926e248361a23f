"""Feature vectors of images:
global average pooling of the last feature layer of f_L (Grüning et al. 2020, section III)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.network.inference import extract_features
from model.similarity.round import Round


def pool_features(round_: Round) -> npt.NDArray[np.float32]:
    """Features of every image of the round, in the order of ids: float32 (N, channels)."""
    vectors = []
    for done, identity in enumerate(round_.ids, start=1):
        vectors.append(extract_features(round_.model, round_.images[identity]))
        round_.on_progress("Features", done, len(round_.ids))
    return np.stack(vectors)


def cosine_similarity(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Cosine of the angle between every two of (N, channels) vectors: float64 (N, N) in [-1, 1];
    a zero vector is similar to none."""
    wide = features.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    unit = np.divide(wide, length, out=np.zeros_like(wide), where=length > 0)
    return np.clip(unit @ unit.T, -1.0, 1.0)
