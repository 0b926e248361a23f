"""Typical and varied images first, from their looks alone: the order before there are labels enough for a
network.

The paper starts with images at random.
With a handful of images a random draw often shows one appearance twice and misses another; the images least
like all others would be blurred or odd ones. So each image here is the one that resembles most of what no
earlier one resembles: MaxHerding on what pixels look like (Bae et al.: Generalized Coverage for More Robust
Low-Budget Active Learning, ECCV 2024).
It needs no model and no labels, and is the same for the same images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from model.reason import Kind, Reason
from model.similarity.round import Round
from model.strategies.base import Ranking, Strategy, as_ranking

Vectors = npt.NDArray[np.float32]
SAMPLE = 1000
"""Images whose distances set the width of the kernel."""
BLOCK = 256
"""Images compared with all others at once; bounds the memory."""
TRIED = 16
"""Images whose gain is computed again at once; those of the best earlier gains."""
EXACT_STEPS = 500
"""Images chosen one by one, more than anyone labels before there is a comparison; the rest comes by what each
adds to these alone."""


@dataclass(frozen=True)
class Looks(Strategy):
    """MaxHerding on the mean and deviation of the features of an image's pixels."""

    name: ClassVar[str] = "looks"
    asks_for: ClassVar[str] = "typical and varied images, by their looks alone: needs no label"
    needs_labels: ClassVar[bool] = False

    def rank(self, round_: Round, budget: int) -> Ranking:
        """The unlabelled images, each the one that resembles most of what L and those before it do not.
        Those that cannot be read come last; `round_.failed` says why."""
        round_.check_budget(budget)
        found = {
            identity: np.concatenate([sample.mean, sample.deviation])
            for identity, sample in round_.pixels.samples()
        }
        ids = sorted(found, key=lambda identity: (len(identity), identity))  # task 9 before task 10
        labelled = [place for place, identity in enumerate(ids) if identity in round_.labels]
        order = [ids[place] for place in herd(standardise([found[i] for i in ids]), labelled)]
        reasons: list[Reason | str] = [Reason(Kind.LOOKS)] * len(order)
        last = [identity for identity in round_.unlabelled if identity not in found]
        return as_ranking(
            order + last, budget, reasons + [f"left out: {round_.failed[identity]}" for identity in last]
        )


def standardise(vectors: Sequence[Vectors]) -> Vectors:
    """Each value to mean 0 and deviation 1 over the images, those that do not vary to 0: float32 (N, F)."""
    if not len(vectors):
        return np.zeros((0, 0), dtype=np.float32)
    wide = np.array(vectors, dtype=np.float64)
    spread = wide.std(axis=0)
    scaled: Vectors = ((wide - wide.mean(axis=0)) / np.where(spread > 1e-6, spread, np.inf)).astype(
        np.float32
    )
    return scaled


def herd(vectors: Vectors, labelled: Sequence[int]) -> list[int]:
    """All positions of (N, F) vectors that are not `labelled`, in the order of greedy maximisation of

    sum over all images x of max over chosen or labelled images z of exp(-|x - z|^2 / h^2).

    h is the median distance. Ties by position. After EXACT_STEPS images the rest comes by its gain over them.
    """
    if not len(vectors):
        return []
    scaled = vectors / _median_distance(vectors)
    cover = np.zeros(len(scaled), dtype=np.float32)
    for first in range(0, len(labelled), BLOCK):
        cover = np.maximum(cover, _kernel(scaled[list(labelled[first : first + BLOCK])], scaled).max(axis=0))
    open_ = np.ones(len(scaled), dtype=bool)
    open_[list(labelled)] = False
    gains = _gains(scaled, np.arange(len(scaled)), cover)
    order: list[int] = []
    while open_.any() and len(order) < EXACT_STEPS:
        chosen = _next(scaled, gains, cover, open_)
        cover = np.maximum(cover, _kernel(scaled[[chosen]], scaled)[0])
        open_[chosen] = False
        order.append(chosen)
    rest = np.flatnonzero(open_)
    left = _gains(scaled, rest, cover)
    return order + [int(each) for each in rest[np.argsort(-left, kind="stable")]]


def _next(scaled: Vectors, gains: Vectors, cover: Vectors, open_: npt.NDArray[np.bool_]) -> int:
    """The open position of the largest gain. `gains` hold earlier ones, which can only have been larger, and
    are brought up to date as far as needed."""
    fresh = np.zeros(len(gains), dtype=bool)
    while True:
        shown = np.where(open_, gains, -1.0)
        best = int(shown.argmax())
        if fresh[best]:
            return best
        tried = np.argsort(-np.where(fresh, -1.0, shown), kind="stable")[:TRIED]
        gains[tried] = _gains(scaled, tried, cover)
        fresh[tried] = True


def _gains(scaled: Vectors, places: npt.NDArray[np.intp], cover: Vectors) -> Vectors:
    """What each of some images would add to the sum: float32."""
    found = np.empty(len(places), dtype=np.float32)
    for first in range(0, len(places), BLOCK):
        part = slice(first, first + BLOCK)
        found[part] = np.maximum(_kernel(scaled[places[part]], scaled) - cover, 0).sum(axis=1)
    return np.round(found, 3)  # duplicates differ in their last bits


def _kernel(some: Vectors, scaled: Vectors) -> Vectors:
    """exp(-distance^2) of (M, F) to (N, F) vectors: float32 (M, N)."""
    result: Vectors = np.exp(-_squares(some, scaled))
    return result


def _squares(some: Vectors, others: Vectors) -> Vectors:
    """Squared distances of (M, F) to (N, F) vectors: float32 (M, N)."""
    lengths = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)
    return np.maximum(lengths - 2 * some @ others.T, 0)


def _median_distance(vectors: Vectors) -> float:
    """Between every two of at most SAMPLE vectors chosen at random, always the same; 1 where it is 0."""
    sampled = vectors[np.random.default_rng(0).permutation(len(vectors))[:SAMPLE]]
    pairs = _squares(sampled, sampled)[np.triu_indices(len(sampled), 1)]
    return float(np.sqrt(np.median(pairs))) or 1.0 if len(pairs) else 1.0
