"""One ranking round:
the snapshot of images and labels that a strategy works on, and what is computed once and shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from model.arrays import Image, Mask
from model.errors import BudgetError, CheckpointError, TooFewLabelsError
from model.hashing import digest, digest_of_array
from model.network.checkpoint import TrainedModel
from model.network.folder import saved_digest
from model.network.inference import Segmenter, predict_masks
from model.network.pseudo_labels import PseudoLabels
from model.network.recipe import Recipe
from model.network.training import train
from model.pixels import FeatureExtractor, FeatureStore, PixelModel, PixelSample
from model.similarity.learner import PIXEL, UNET, Learner
from model.similarity.pixel_learner import PixelLearner
from model.similarity.unet_learner import UnetLearner

if TYPE_CHECKING:
    from model.similarity.pixel_pool import PixelPool

OnProgress = Callable[[str, int, int], None]


def ignore_progress(step: str, done: int, total: int) -> None:
    """The progress callback of those who do not look: `step` in words, `done` of `total` parts."""


@dataclass
class Round:
    """X = U ∪ L at one moment, the model f_L, and a folder that keeps what was computed, so that a killed
    round resumes.

    `images` maps the id of every image of X to float32 (H, W, 3) at working resolution, `labels` the ids of L
    to uint8 (H, W) class ids. Ids are the keys everywhere;
    they order deterministically, so the same round gives the same result whatever order it is given in.
    `model_folder` names an f_L that is trained already.
    `failed` names the networks (units of a strategy) that could not be trained, and the images whose features
    could not be computed, and says why: a ranking does without them.
    `image_digests` tells, by id, one image from another under the same name where their source knows that
    without reading them (a file's digest, an address); the arrays are hashed otherwise.
    `feature_folder` keeps the features of pixels, which several rounds may share; default the round's own.
    `image_sizes` tells (height, width) by id of those images whose digest is that of their content, or which
    are believed to be what they were: where their features are kept already, they are not read.
    `pixel_model_folder` names a pixel classifier of all labels that is trained already.
    `learns_by` is the kind of network that f_L is, one of LEARNERS.
    `feature_store` is used instead of one of the round's own in `feature_folder`.
    """

    images: Mapping[str, Image]
    labels: Mapping[str, Mask]
    classes: int
    recipe: Recipe
    seed: int
    folder: Path
    model_folder: Path | None = None
    device: torch.device | None = None
    failed: dict[str, str] = field(default_factory=dict)
    image_digests: Mapping[str, str] | None = None
    feature_folder: Path | None = None
    image_sizes: Mapping[str, tuple[int, int]] | None = None
    pixel_model_folder: Path | None = None
    learns_by: str = UNET
    feature_store: FeatureStore | None = None
    on_progress: OnProgress = field(default=ignore_progress)

    def __post_init__(self) -> None:
        strangers = sorted(set(self.labels) - set(self.images))
        if strangers:
            raise ValueError(f"labels of images that are not in the round: {strangers[:5]}")

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """All of X, in the order of ids."""
        return tuple(sorted(self.images))

    @cached_property
    def labelled(self) -> tuple[str, ...]:
        """L, in the order of ids."""
        return tuple(sorted(self.labels))

    @cached_property
    def unlabelled(self) -> tuple[str, ...]:
        """U, in the order of ids."""
        return tuple(identity for identity in self.ids if identity not in self.labels)

    def check_budget(self, budget: int) -> None:
        """Raise BudgetError unless `budget` images can be asked for."""
        if not self.unlabelled:
            raise BudgetError(
                f"All {len(self.ids)} images are labelled, so that none can be asked for; add images without"
                " a mask."
            )
        if not 1 <= budget <= len(self.unlabelled):
            raise BudgetError(
                f"budget: found {budget}, expected 1 to {len(self.unlabelled)}, the number of unlabelled"
                " images. Choose a smaller budget or add images."
            )

    def require_labels(self) -> None:
        """Raise TooFewLabelsError where no image is labelled, from which a network could learn."""
        if not self.labels:
            raise TooFewLabelsError(
                "Found no labelled image, expected at least 1: label a few images first (3 chosen at random"
                " are a good start)."
            )

    @cached_property
    def learner(self) -> Learner[Any]:
        """What strategies take from f_L."""
        kinds: dict[str, type[Learner[Any]]] = {UNET: UnetLearner, PIXEL: PixelLearner}
        return kinds[self.learns_by](self)

    @property
    def model(self) -> Segmenter:
        """f_L: loaded if it was trained already, else trained from scratch on all of L.

        Raises TooFewLabelsError where there is nothing to learn from.
        """
        model: Segmenter = self.learner.model
        return model

    def kept(self, folder: Path, train_it: Callable[[], TrainedModel]) -> TrainedModel:
        """The network in `folder` if it was trained in just this round, else a new one, which is kept
        there."""
        try:
            model = TrainedModel.load(folder, self.device)
            if model.record.get("round") == self.identity:
                return model
        except CheckpointError:  # not there yet, or cut off while it was written
            pass
        model = train_it()
        model.record["round"] = self.identity
        model.save(folder)
        return model

    @cached_property
    def identity(self) -> str:
        """Digest of what the round's networks come from:
        f_L where it is given, labelled images and their labels, classes, recipe, seed.

        Raises CheckpointError when the f_L that is given cannot be read.
        """
        unet = self.learns_by == UNET
        folder = self.model_folder if unet else self.pixel_model_folder
        given = saved_digest(folder) if folder is not None else None
        pairs = [
            part for i in self.labelled for part in (i, self._digest_of(i), digest_of_array(self.labels[i]))
        ]
        other_kind = () if unet else (self.learns_by,)  # rounds that know of no kind are those of U-Nets
        return digest(self.classes, self.recipe.to_dict(), self.seed, given, *pairs, *other_kind)

    @cached_property
    def identity_with_images(self) -> str:
        """Digest of what the round's pseudo-labels come from: its identity and all images."""
        return digest(self.identity, [self._digest_of(i) for i in self.ids])

    def _digest_of(self, identity: str) -> str:
        return (
            digest_of_array(self.images[identity])
            if self.image_digests is None
            else self.image_digests[identity]
        )

    @cached_property
    def features(self) -> FeatureStore:
        """Where the features of the images' pixels are kept."""
        if self.feature_store is not None:
            return self.feature_store
        extractor = FeatureExtractor(self.recipe.precision)
        return FeatureStore(self.feature_folder or self.folder / "features", extractor)

    def sample(self, identity: str, mask: Mask | None = None) -> PixelSample:
        """Sampled pixels of an image; with a `mask`, some of each of its classes.
        Raises ImageError where it cannot be read or its features cannot be computed."""
        size = self._size_of(identity)
        return self.features.sample(
            self._digest_of(identity), self._image_of(identity, size), mask, size=size
        )

    def vector(self, identity: str) -> npt.NDArray[np.float32]:
        """What an image looks like: mean and deviation of its pixels' features, float32 (2 * channels,).
        Errors as of `sample`."""
        name, size = self._digest_of(identity), self._size_of(identity)
        return self.features.vector(name, self._image_of(identity, size), size=size)

    def _size_of(self, identity: str) -> tuple[int, int] | None:
        return None if self.image_digests is None else (self.image_sizes or {}).get(identity)

    def _image_of(self, identity: str, size: tuple[int, int] | None) -> Image | Callable[[], Image]:
        """The image, or how to read it where it need not be read for its size."""
        return self.images[identity] if size is None else lambda: self.images[identity]

    @cached_property
    def pixels(self) -> PixelPool:
        """The round as a pixel classifier sees it."""
        from model.similarity.pixel_pool import PixelPool

        return PixelPool(self)

    @property
    def pixel_model(self) -> PixelModel:
        """f_L as a pixel classifier, trained on all of L in a second.
        Raises TooFewLabelsError where there is nothing to learn from."""
        return self.pixels.model

    def train(
        self,
        step: str,
        ids: tuple[str, ...],
        seed: int,
        labels: Mapping[str, Mask] | None = None,
        steps: int | None = None,
    ) -> TrainedModel:
        """A network trained from scratch on some images, with their labels or the ones given;
        reports progress as `step`."""
        labels = self.labels if labels is None else labels
        return train(
            [self.images[identity] for identity in ids],
            [labels[identity] for identity in ids],
            classes=self.classes,
            recipe=self.recipe,
            seed=seed,
            steps=steps,
            on_step=lambda done, total: self.on_progress(step, done, total),
            device=self.device,
        )

    @cached_property
    def pseudo_labels(self) -> PseudoLabels:
        """y_i = f_L(x_i) for every image of X (Eq. 1, step 1): uint8 (H, W) class ids by image id."""
        path = self.folder / "pseudo-labels.npz"
        try:
            return PseudoLabels(path, self.identity_with_images, self.ids)
        except CheckpointError:  # not there yet, or of another round
            PseudoLabels.write(path, self.identity_with_images, self.ids, self._predicted())
            return PseudoLabels(path, self.identity_with_images, self.ids)

    def _predicted(self) -> Iterator[Mask]:
        for done, mask in enumerate(
            predict_masks(self.model, (self.images[identity] for identity in self.ids)), start=1
        ):
            yield mask
            self.on_progress("Pseudo-labels", done, len(self.ids))

    @property
    def fingerprint(self) -> str:
        """Identifies what the rows of this round were computed from, so that a resumed round never mixes in
        another's."""
        return self.pseudo_labels.fingerprint
