"""Images whose labels are predicted to help most, by a regressor that has seen labelling simulated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from model.reason import Kind, Reason
from model.selection.greedy_cover import BLOCK, EXACT_STEPS, Nearness
from model.similarity.appearance import (
    Appearance,
    kernel_of,
    normalise,
    read_appearance,
    squared_distances,
    standardise,
)
from model.strategies.base import Ranking, Strategy, as_ranking, left_out

if TYPE_CHECKING:
    from model.similarity.round import Round
    from model.similarity.simulated_labelling import Examples

Floats = npt.NDArray[np.float32]
RIDGES = (0.01, 0.1, 1.0, 10.0)
"""Strengths of the penalty that are tried; the one that predicts best what was left out is taken."""


@dataclass(frozen=True)
class ErrorReduction(Strategy):
    """The image first whose label is predicted to raise the dice of the others most.

    After Konyushkova et al. (Learning Active Learning from Data, NIPS 2017). Kept: labelling is simulated on
    data whose labels are known; a regressor learns the gain from traits of classifier and candidate that hold
    for any data; the candidate of the largest predicted gain is asked for. Simplified: a candidate is a whole
    image, the classifier a small network on pixels, the gain that of the mean dice; the data are generated
    images and, from three on, the labelled ones; the regressor is kernel ridge regression in place of a
    random forest. Images after the first follow without a new training: only how near a labelled image looks
    is brought up to date.
    """

    name: ClassVar[str] = "error_reduction"
    asks_for: ClassVar[str] = "images that a regressor, trained on simulated labelling, expects to help most"

    @property
    def by_pixels(self) -> bool:
        """Always."""
        return True

    def rank(self, round_: Round, budget: int) -> Ranking:
        """The unlabelled images by predicted gain, one after the other; those that cannot be read last."""
        round_.check_budget(budget)
        round_.pixels.require_labels()
        seen = read_appearance(round_)
        nearness = kernel_of(normalise(standardise(seen.vectors)), 1.0)
        density = np.concatenate(
            [np.zeros(0, np.float32), *(nearness(part).mean(axis=1) for part in blocks_of(len(seen.ids)))]
        )
        views, examples = self.simulate(round_, seen, nearness, density)
        labelled = seen.positions_of(round_.labelled)
        order, gains = order_by_gain(fit_regressor(examples), labelled, views, nearness, density)
        reasons = [Reason(Kind.GAIN, value=gain) for gain in gains]
        last, why = left_out(round_, seen.ids)
        return as_ranking([seen.ids[place] for place in order] + last, budget, [*reasons, *why])

    def simulate(
        self, round_: Round, seen: Appearance, nearness: Nearness, density: Floats
    ) -> tuple[Floats, Examples]:
        """What a network of all labels makes of each image seen, (n, 3), and examples of what a label
        brings."""
        from model.similarity import simulated_labelling as simulation

        pool = round_.pixels
        readable = [identity for identity in round_.labelled if identity in pool.labelled]
        known = [
            simulation.Known.see(pool.labelled[identity], round_.labels[identity], pool.scale, round_.classes)
            for identity in readable
        ]
        examples = [simulation.try_generated(round_.features.extractor)]
        if len(known) >= simulation.FEWEST:
            places = seen.positions_of(readable)
            own = simulation.try_labelling(
                known,
                nearness(np.array(places))[:, places],
                density[places],
                classes=round_.classes,
                seed=round_.seed,
                on_progress=lambda done, total: round_.on_progress("Simulated labelling", done, total),
            )
            examples.append(own)
        network = simulation.learn([known], round_.classes, round_.seed)
        views = [
            simulation.view(network, 0, pool.scale.apply(sample.values))
            for _, sample in pool.samples(seen.ids, step="Uncertainty")
        ]
        return np.stack(views), simulation.join(examples)


def order_by_gain(
    predict: Callable[[Floats], Floats],
    labelled: Sequence[int],
    views: Floats,
    nearness: Nearness,
    density: Floats,
) -> tuple[list[int], list[float]]:
    """All positions that are not `labelled`, each the one of the largest predicted gain given those before
    it, and that gain. Ties by position. After EXACT_STEPS the rest comes by its gain over them."""
    from model.similarity.simulated_labelling import describe

    near = np.zeros(len(views), dtype=np.float32)
    for part in np.array_split(np.array(labelled, dtype=np.intp), -(-len(labelled) // BLOCK) or 1):
        near = np.maximum(near, nearness(part).max(axis=0, initial=0))
    open_ = np.ones(len(views), dtype=bool)
    open_[list(labelled)] = False
    order: list[int] = []
    gains: list[float] = []
    while open_.any():
        rest = np.flatnonzero(open_)
        traits = describe(len(labelled) + len(order), views[rest], near[rest], density[rest])
        predicted = np.round(predict(traits), 5)
        if len(order) == EXACT_STEPS:
            by_gain = np.argsort(-predicted, kind="stable")
            return order + rest[by_gain].tolist(), gains + predicted[by_gain].tolist()
        best = int(predicted.argmax())
        order.append(int(rest[best]))
        gains.append(float(predicted[best]))
        open_[order[-1]] = False
        near = np.maximum(near, nearness(rest[[best]])[0])
    return order, gains


def fit_regressor(examples: Examples) -> Callable[[Floats], Floats]:
    """Kernel ridge regression from traits, (n, F), to gains, (n,). What lies outside of the traits seen
    counts as their edge."""
    low, high = examples.traits.min(axis=0), examples.traits.max(axis=0)
    mean, spread = examples.traits.mean(axis=0), examples.traits.std(axis=0)
    width = np.where(spread > 1e-6, spread, np.inf) * np.sqrt(len(mean))

    def scale(traits: Floats) -> Floats:
        return ((np.clip(traits, low, high) - mean) / width).astype(np.float32)

    known, usual = scale(examples.traits), float(examples.gains.mean())
    kernel = np.exp(-squared_distances(known, known)).astype(np.float64)
    best_error, weights = np.inf, np.zeros(len(known))
    for ridge in RIDGES:
        inverse = np.linalg.inv(kernel + ridge * np.eye(len(known)))
        tried = inverse @ (examples.gains - usual)
        error = float(((tried / inverse.diagonal()) ** 2).mean())  # of each example, left out in turn
        if error < best_error:
            best_error, weights = error, tried

    def predict(traits: Floats) -> Floats:
        found = usual + np.exp(-squared_distances(scale(traits), known)) @ weights
        return np.asarray(found, dtype=np.float32)

    return predict


def blocks_of(count: int) -> list[npt.NDArray[np.intp]]:
    """Positions 0 to `count` in blocks that can be compared with all others at once."""
    return [np.arange(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK)]
