"""The order before there are enough labels for the method: varied images first, from their looks alone.

The paper starts with images at random.
With a handful of images a random draw often shows one appearance twice and misses another, so this takes the
most typical image first and then always the one least like all that are labelled or chosen, by simple
statistics of intensity and edges.
It needs no model, takes milliseconds an image, and is the same for the same images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from model.arrays import Image

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SCALES = (1, 2, 4, 8)
"""Pixels over which differences are taken: fine to coarse structure."""
NAME = "farthest first on image statistics"


def statistics(image: Image) -> npt.NDArray[np.float64]:
    """What an image, float32 (H, W, 3), looks like:
    quantiles of its intensities and its structure at several scales, float64 (F,)."""
    gray = image.mean(axis=2)
    values = list(np.quantile(gray, QUANTILES))
    for scale in SCALES:
        rows = np.abs(gray[scale:] - gray[:-scale])
        columns = np.abs(gray[:, scale:] - gray[:, :-scale])
        values += [
            np.log(1e-3 + (rows.mean() if rows.size else 0.0)),
            np.log(1e-3 + (columns.mean() if columns.size else 0.0)),
        ]
    values += list(image.reshape(-1, 3).mean(axis=0) - image.mean())  # colour
    return np.asarray(values, dtype=np.float64)


def cold_order(
    images: Mapping[str, Image],
    labelled: Sequence[str],
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
) -> list[str]:
    """All ids of `images` that are not `labelled`, each the farthest from those before it; ties by number."""
    ids = sorted(images, key=lambda identity: (len(identity), identity))
    if not ids:
        return []
    features = np.empty((len(ids), len(QUANTILES) + 2 * len(SCALES) + 3))
    for index, identity in enumerate(ids):
        features[index] = statistics(images[identity])
        on_progress("Looking at the images", index + 1, len(ids))
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    remaining = np.array([identity not in set(labelled) for identity in ids])
    nearest = np.full(len(ids), np.inf)
    order: list[str] = []

    def count_in(index: int) -> None:
        np.minimum(nearest, np.linalg.norm(features - features[index], axis=1), out=nearest)

    for index in np.flatnonzero(~remaining):
        count_in(int(index))
    while remaining.any():
        if np.isinf(nearest).all():
            chosen = int(
                np.linalg.norm(features, axis=1).argmin()
            )  # nothing labelled: the most typical image
        else:
            chosen = int(np.where(remaining, nearest, -np.inf).argmax())
        order.append(ids[chosen])
        remaining[chosen] = False
        count_in(chosen)
    return order
