"""Images whose labels would spread best to the rest, over images that look alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from model.reason import Kind, Reason
from model.selection.greedy_cover import BLOCK, Nearness, cover_greedily
from model.similarity.appearance import Vectors, normalise, read_appearance, squared_distances, standardise
from model.strategies.base import Ranking, Strategy, as_ranking, left_out
from model.strategies.uncertainty import mean_entropy

if TYPE_CHECKING:
    from model.similarity.round import Round

NEIGHBOURS = 8
"""Images that each is linked to, those that look most like it; and to those of which it is such a one."""
GOES_ON = 0.9
"""Probability with which a walk takes another step: a label spreads over about 10 links."""
STEPS = 20
"""After so many a walk ends in any case."""


@dataclass(frozen=True)
class Influence(Strategy):
    """Greedy maximisation of sum over x of u(x) max over labelled or chosen z of h(x, z).

    After Jain & Grauman (Active Image Segmentation Propagation, CVPR 2016). Kept: a graph of all images, and
    the choice of those that are uncertain, influential in the graph, and mutually diverse. Simplified: they
    propagate masks by a joint energy over proposals for regions, in stages. Here what spreads is that a label
    is there: h(x, z) is the probability that a random walk from x, along links to images that look alike,
    meets z before it ends. u(x) is the mean entropy of the pixel classifier; the maximum makes for diversity.
    """

    name: ClassVar[str] = "influence"
    asks_for: ClassVar[str] = (
        "images of which the model is not certain, and whose labels speak for many that look alike"
    )

    @property
    def by_pixels(self) -> bool:
        """Always."""
        return True

    def rank(self, round_: Round, budget: int) -> Ranking:
        """The unlabelled images, each the one that raises the sum most; those that cannot be read last."""
        round_.check_budget(budget)
        model = round_.pixel_model
        seen = read_appearance(round_)
        entropy = np.array(
            [
                mean_entropy(model.sampled_probabilities(sample).T)
                for _, sample in round_.pixels.samples(seen.ids, step="Uncertainty")
            ],
            dtype=np.float32,
        )
        covering = cover_greedily(
            reach_of(link_images(normalise(standardise(seen.vectors)))),
            len(seen.ids),
            seen.positions_of(round_.labelled),
            weights=entropy / (entropy.max(initial=0) or 1),
        )
        reasons = [
            Reason(Kind.SPREADS, represents=represents, value=float(entropy[place]))
            for place, represents in zip(covering.order, covering.represents, strict=True)
        ]
        last, why = left_out(round_, seen.ids)
        order = [seen.ids[place] for place in covering.order]
        return as_ranking(order + last, budget, [*reasons, *why])


def link_images(vectors: Vectors) -> sparse.csr_array:
    """The probabilities of a step between images of (N, F) vectors of length 1: sparse float32 (N, N).

    A link weighs exp(-|x - y|^2). Those of an image add up to at most 1: one that resembles none at all is
    hard to reach and to leave.
    """
    count = len(vectors)
    few = min(NEIGHBOURS, count - 1)
    if few < 1:
        return sparse.csr_array((count, count), dtype=np.float32)
    rows, columns, weights = [], [], []
    for first in range(0, count, BLOCK):
        own = np.arange(first, min(first + BLOCK, count))
        squares = squared_distances(vectors[own], vectors)
        squares[own - first, own] = np.inf
        nearest = np.argpartition(squares, few - 1, axis=1)[:, :few]
        rows.append(np.repeat(own, few))
        columns.append(nearest.ravel())
        weights.append(np.exp(-np.take_along_axis(squares, nearest, axis=1)).ravel())
    places = np.concatenate(rows), np.concatenate(columns)
    links = sparse.csr_array((np.concatenate(weights), places), shape=(count, count), dtype=np.float32)
    links = links.maximum(links.T)
    degrees = np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1)
    scaled: sparse.csr_array = (sparse.diags_array(1 / degrees).astype(np.float32) @ links).tocsr()
    return scaled


def reach_of(links: sparse.csr_array) -> Nearness:
    """h: about how probable it is that a walk from each image meets some others, on demand.

    With g(x, z), the visits to z that a walk from x makes on average, it is g(x, z) / g(z, z): exact for
    walks without end, and up to .014 below for those of STEPS (measured on 42 images).
    """
    step = (links * np.float32(GOES_ON)).tocsr()

    def reach(places: npt.NDArray[np.intp]) -> Vectors:
        own = np.arange(len(places))
        at = np.zeros((step.shape[0], len(places)), dtype=np.float32)
        at[places, own] = 1
        visits = at.copy()
        for _ in range(STEPS):
            at = step @ at
            visits += at
        met: Vectors = (visits / visits[places, own]).T
        return met

    return reach
