"""The masks that annotators see before they start:
a version's prediction for an image, as regions of the project's configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from backend.labelstudio.http.answers import Region
from backend.labelstudio.labels.config import LabelConfig
from backend.labelstudio.labels.regions import from_mask
from model.arrays import Mask
from model.data.images.pixels import normalise
from model.data.images.reading import decode_shrunk
from model.network.inference import Segmenter, predict_rows
from model.saved_model import working_side


@dataclass
class PreAnnotator:
    """A version's model and the labels it was trained on, drawing in a configuration that may have changed
    since."""

    model: Segmenter
    labels: tuple[str, ...]  # names of the network's classes 1, 2, ...
    config: LabelConfig
    _classes: npt.NDArray[np.intp] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Labels are matched by name:
        # one that is gone becomes background, a new one is not predicted until the next training.
        self._classes = np.array(
            [0, *(self.config.class_id(label) or 0 for label in self.labels)], dtype=np.intp
        )

    @property
    def max_side(self) -> int:
        """The longer side, in pixels, of the images that it was trained on."""
        return working_side(self.model)

    @property
    def outdated(self) -> str:
        """What is to be said about the configuration since the training; empty when it has not changed."""
        if self.labels == self.config.labels:
            return ""
        return (
            f"The labels have changed since the model was trained, from {', '.join(self.labels)} to"
            f" {', '.join(self.config.labels)}; a training on the new ones follows, until then only labels of"
            " the same name are drawn."
        )

    def regions(self, data: bytes, name: str) -> list[Region]:
        """The regions on an encoded image, at its full size as displayed; `name` is what errors call it.
        Raises model.errors.ImageError."""
        mask, confidence = self.predict(data, name)
        return from_mask(mask, self.config, confidence)

    def predict(self, data: bytes, name: str) -> tuple[Mask, list[float]]:
        """The mask of the configuration's class ids on an encoded image, at its full size, and for each class
        the mean probability of its pixels. Raises model.errors.ImageError.

        Both are worked out in blocks of rows: of a large image, only the mask itself is held as a whole.
        """
        small, size = decode_shrunk(data, name, self.max_side)
        mask: Mask = np.empty(size, dtype=np.uint8)
        count = np.zeros(self.config.classes)
        total = np.zeros(
            self.config.classes
        )  # of the probability of each pixel's class, in the mask of which it counts
        for first, rows in predict_rows(self.model, normalise(small, name=name), size):
            predicted = rows.argmax(axis=0)
            drawn = self._classes[predicted]
            mask[first : first + len(drawn)] = drawn
            highest = np.take_along_axis(rows, predicted[None], axis=0)[0]
            count += np.bincount(drawn.ravel(), minlength=self.config.classes)
            total += np.bincount(drawn.ravel(), weights=highest.ravel(), minlength=self.config.classes)
        mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
        return mask, [float(value) for value in mean]
