"""Pixel classifiers as what learns from the labels of a round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from model.pixels import PixelModel
from model.similarity.learner import Learner, Part


class PixelLearner(Learner[PixelModel]):
    """Pixel classifiers, which take a second and see the sampled pixels of an image."""

    @property
    def model(self) -> PixelModel:
        """That of the round's pixels."""
        return self.round_.pixel_model

    def require_labels(self) -> None:
        """Raise TooFewLabelsError where no labelled image can be read."""
        self.round_.pixels.require_labels()

    @property
    def labelled(self) -> tuple[str, ...]:
        """Those whose features can be computed."""
        return tuple(self.round_.pixels.labelled)

    @property
    def trains_apart(self) -> bool:
        """All at once, as stacked weights."""
        return False

    def train_parts(self, parts: Sequence[Part]) -> list[PixelModel]:
        """All together; nothing is kept."""
        return self.round_.pixels.train([part.ids for part in parts], [part.seed for part in parts])

    def outputs(
        self, step: str, networks: Sequence[PixelModel], ids: Sequence[str]
    ) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
        """Of its sampled pixels, (networks, classes, 1, P)."""
        for identity, sample in self.round_.pixels.samples(ids, step=step):
            found = np.stack([network.sampled_probabilities(sample) for network in networks])
            yield identity, found.transpose(0, 2, 1)[:, :, None]

    def features(self) -> npt.NDArray[np.float32]:
        """Of the hidden layer."""
        model, ids = self.model, self.round_.ids
        places = {identity: place for place, identity in enumerate(ids)}
        vectors = np.zeros((len(ids), model.width), dtype=np.float32)
        for identity, sample in self.round_.pixels.samples():
            vectors[places[identity]] = model.mean_hidden(sample)
        return vectors
