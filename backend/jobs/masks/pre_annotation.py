"""The masks that annotators see before they start: a version's prediction for an image, as regions of the project's configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from backend.labelstudio.labels.config import LabelConfig
from backend.labelstudio.labels.regions import Region, from_mask
from model.arrays import Mask
from model.data.images import decode_raw, normalise, shrink
from model.network.checkpoint import TrainedModel
from model.network.inference import predict_probabilities


@dataclass
class PreAnnotator:
    """A version's network and the labels it was trained on, drawing in a configuration that may have changed since."""

    model: TrainedModel
    labels: tuple[str, ...]  # names of the network's classes 1, 2, ...
    config: LabelConfig
    _classes: npt.NDArray[np.intp] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Labels are matched by name: one that is gone becomes background, a new one is not predicted until the next training.
        self._classes = np.array([0, *(self.config.class_id(label) or 0 for label in self.labels)], dtype=np.intp)

    @property
    def outdated(self) -> str:
        """What is to be said about the configuration since the training; empty when it has not changed."""
        if self.labels == self.config.labels:
            return ""
        return (
            f"The labels have changed since the model was trained, from {', '.join(self.labels)} to {', '.join(self.config.labels)}; "
            "a training on the new ones follows, until then only labels of the same name are drawn."
        )

    def regions(self, data: bytes, name: str) -> list[Region]:
        """The regions on an encoded image, at its full size as displayed; `name` is what errors call it. Raises model.errors.ImageError."""
        raw = decode_raw(data, name)
        image = normalise(shrink(raw, self.model.recipe.max_side), name=name)
        probabilities = predict_probabilities(self.model, image, size=(raw.shape[0], raw.shape[1]))
        mask, confidence = self._in_config(probabilities)
        return from_mask(mask, self.config, confidence)

    def _in_config(self, probabilities: npt.NDArray[np.float32]) -> tuple[Mask, list[float]]:
        """The mask uint8 (H, W) in the configuration's class ids, and the mean probability of each of its classes over its pixels."""
        predicted = probabilities.argmax(axis=0)
        highest = np.take_along_axis(probabilities, predicted[None], axis=0)[0]
        mask = self._classes[predicted].astype(np.uint8)
        count = np.bincount(mask.ravel(), minlength=self.config.classes)
        total = np.bincount(mask.ravel(), weights=highest.ravel(), minlength=self.config.classes)
        return mask, [float(value) for value in np.divide(total, count, out=np.zeros_like(total), where=count > 0)]
