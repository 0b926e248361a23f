"""U-Nets as what learns from the labels of a round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from model.network.checkpoint import TrainedModel
from model.network.inference import extract_features, predict_probabilities
from model.similarity.learner import Learner, Part


class UnetLearner(Learner[TrainedModel]):
    """U-Nets, which take minutes and see whole images."""

    @cached_property
    def model(self) -> TrainedModel:
        """Loaded if it was trained already, else trained and kept."""
        round_ = self.round_
        if round_.model_folder is not None:
            return TrainedModel.load(round_.model_folder, round_.device)
        round_.require_labels()
        return round_.kept(
            round_.folder / "model",
            lambda: round_.train("Training on all labels", round_.labelled, round_.seed),
        )

    @property
    def labelled(self) -> tuple[str, ...]:
        """All of L."""
        return self.round_.labelled

    @property
    def trains_apart(self) -> bool:
        """Minutes each."""
        return True

    def train_parts(self, parts: Sequence[Part]) -> list[TrainedModel]:
        """Those that the round's folder does not hold yet are trained and kept."""
        return [self._train(part) for part in parts]

    def _train(self, part: Part) -> TrainedModel:
        step = f"Training {part.folder.rpartition('/')[2]}"
        return self.round_.kept(
            self.round_.folder / part.folder, lambda: self.round_.train(step, part.ids, part.seed)
        )

    def outputs(
        self, step: str, networks: Sequence[TrainedModel], ids: Sequence[str]
    ) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
        """Of every pixel."""
        for done, identity in enumerate(ids, start=1):
            image = self.round_.images[identity]
            yield identity, np.stack([predict_probabilities(network, image) for network in networks])
            self.round_.on_progress(step, done, len(ids))

    def features(self) -> npt.NDArray[np.float32]:
        """Of the decoder's last layer."""
        vectors = []
        for done, identity in enumerate(self.round_.ids, start=1):
            vectors.append(extract_features(self.model, self.round_.images[identity]))
            self.round_.on_progress("Features", done, len(self.round_.ids))
        return np.stack(vectors)
