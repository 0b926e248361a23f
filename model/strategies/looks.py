"""Varied images first, from their looks alone: the order before there are labels enough for a network.

The paper starts with images at random.
With a handful of images a random draw often shows one appearance twice and misses another, so this takes the
most typical image first and then always the one least like all that are labelled or chosen, by simple
statistics of intensity and edges.
It needs no model and no labels, takes milliseconds an image, and is the same for the same images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from model.arrays import Image
from model.reason import Kind, Reason
from model.similarity.round import Round, ignore_progress
from model.strategies.base import Ranking, Strategy, as_ranking
from model.strategies.farthest_first import farthest_first

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SCALES = (1, 2, 4, 8)
"""Pixels over which differences are taken: fine to coarse structure."""


@dataclass(frozen=True)
class Looks(Strategy):
    """Farthest first on image statistics."""

    name: ClassVar[str] = "looks"
    asks_for: ClassVar[str] = "varied images, by their looks alone: needs no label"
    needs_labels: ClassVar[bool] = False

    def rank(self, round_: Round, budget: int) -> Ranking:
        """The unlabelled images, each the one least like those before it and those of L."""
        round_.check_budget(budget)
        order = order_by_looks(round_.images, round_.labelled, round_.on_progress)
        return as_ranking(order, budget, [Reason(Kind.LOOKS)] * len(order))


def order_by_looks(
    images: Mapping[str, Image],
    labelled: Sequence[str],
    on_progress: Callable[[str, int, int], None] = ignore_progress,
) -> list[str]:
    """All ids of `images` that are not `labelled`, each the farthest from those before it; ties by number."""
    ids = sorted(images, key=lambda identity: (len(identity), identity))
    features = np.empty((len(ids), len(QUANTILES) + 2 * len(SCALES) + 3))
    for index, identity in enumerate(ids):
        features[index] = statistics(images[identity])
        on_progress("Looking at the images", index + 1, len(ids))
    if not ids:
        return []
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    known = set(labelled)
    order, _ = farthest_first(
        lambda index: np.linalg.norm(features - features[index], axis=1),
        [index for index, identity in enumerate(ids) if identity in known],
        first=int(np.linalg.norm(features, axis=1).argmin()),  # nothing labelled: the most typical image
        count=len(ids),
    )
    return [ids[index] for index in order]


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
