"""The images of a round as a pixel classifier sees them: sampled pixels, and f_L trained on those of L."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from model.errors import ImageError, TooFewLabelsError
from model.pixels import PixelModel, PixelSample, Scale, train_pixel_models
from model.similarity.round import Round

log = logging.getLogger(__name__)
T = TypeVar("T")

PROBED = 256
"""Unlabelled images that set the scale of the features; the labelled ones always do."""


@dataclass
class PixelPool:
    """Sampled pixels of the images of `round_`. An image whose features cannot be computed is left out:
    `round_.failed` names it and says why."""

    round_: Round
    _kept: dict[str, PixelSample] = field(default_factory=dict)  # of the scale, until they are asked for

    @cached_property
    def labelled(self) -> dict[str, PixelSample]:
        """The samples of the labelled images by id, with some pixels of each class that their labels have."""
        found = {}
        for identity in self.round_.labelled:
            sample = self._sample(identity, with_label=True)
            if sample is not None:
                found[identity] = sample
        return found

    @cached_property
    def scale(self) -> Scale:
        """By which features are standardised: that of the labelled images and of some others."""
        drawn = np.random.default_rng(self.round_.seed).permutation(self.round_.unlabelled)[:PROBED]
        for done, identity in enumerate(sorted(str(each) for each in drawn), start=1):
            sample = self._sample(identity)
            if sample is not None:
                self._kept[identity] = sample
            self.round_.on_progress("Features", done, len(self.round_.ids))
        return Scale.over([*self.labelled.values(), *self._kept.values()])

    @cached_property
    def model(self) -> PixelModel:
        """f_L: loaded if it was trained already, else trained on all of L.
        Raises TooFewLabelsError where there is nothing to learn from."""
        round_ = self.round_
        if round_.pixel_model_folder is not None:
            return PixelModel.load(round_.pixel_model_folder)
        return self.train([round_.labelled], [round_.seed])[0]

    def train(self, parts: Sequence[Sequence[str]], seeds: Sequence[int]) -> list[PixelModel]:
        """A network from scratch on each part of L, all together.
        Raises TooFewLabelsError where there is nothing to learn from."""
        round_ = self.round_
        self.require_labels()
        readable = [[identity for identity in part if identity in self.labelled] for part in parts]
        return train_pixel_models(
            [[(self.labelled[i], round_.labels[i]) for i in part] for part in readable],
            seeds,
            classes=round_.classes,
            extractor=round_.features.extractor,
            scale=self.scale,
            on_step=lambda done, total: round_.on_progress("Training on all labels", done, total),
        )

    def require_labels(self) -> None:
        """Raise TooFewLabelsError where no labelled image can be read, from which a network could learn."""
        round_ = self.round_
        round_.require_labels()
        if not self.labelled:
            why = next(round_.failed[each] for each in round_.labelled if each in round_.failed)
            raise TooFewLabelsError(
                f"None of the {len(round_.labelled)} labelled images can be read: {why} Label another image."
            )

    def samples(
        self, ids: Sequence[str] | None = None, *, with_labels: bool = False, step: str = "Features"
    ) -> Iterator[tuple[str, PixelSample]]:
        """Each image's id and sample, of all images or of some, in the order of ids; those of L as `labelled`
        has them, on demand. Progress is reported as `step`."""
        ids = self.round_.ids if ids is None else ids
        for done, identity in enumerate(ids, start=1):
            if with_labels and identity in self.round_.labels:
                sample = self.labelled.get(identity)
            else:
                sample = self._kept.pop(identity, None) or self._sample(identity)
            if sample is not None:
                yield identity, sample
            self.round_.on_progress(step, done, len(ids))

    def vectors(self, ids: Sequence[str] | None = None) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
        """Each image's id and what it looks like, of all images or of some, in the order of ids:
        mean and deviation of its features, float32 (2 * channels,)."""
        ids = self.round_.ids if ids is None else ids
        for done, identity in enumerate(ids, start=1):
            vector = self._unless_failed(identity, self.round_.vector)
            if vector is not None:
                yield identity, vector
            self.round_.on_progress("Features", done, len(ids))

    def _sample(self, identity: str, with_label: bool = False) -> PixelSample | None:
        mask = self.round_.labels[identity] if with_label else None
        return self._unless_failed(identity, lambda image: self.round_.sample(image, mask))

    def _unless_failed(self, identity: str, read: Callable[[str], T]) -> T | None:
        if identity in self.round_.failed:
            return None
        try:
            return read(identity)
        except ImageError as error:
            self.round_.failed[identity] = str(error)
            log.warning("%s is left out: %s", identity, error)
            return None
