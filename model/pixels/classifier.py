"""The pixel classifier: one small network over the features of pixels, trained on all labels in a second; a
segmenter like the U-Net, in a folder on disk of the same two files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.arrays import Image, Mask
from model.errors import CheckpointError, MaskError, TooFewLabelsError
from model.network.folder import REMEDY, read_saved, save_folder
from model.pixels.features import FeatureExtractor
from model.pixels.samples import PixelSample, Scale
from model.pixels.stacked import Networks, OnStep, Pixels, train_networks

KIND = "pixel"
WEIGHTS = ("hidden", "hidden_bias", "output", "output_bias")
MOST_PIXELS = 200_000
"""Of all images together that are trained on, 170 MB; a training sees half of them."""


@dataclass
class PixelModel:
    """A trained pixel classifier: `classes` outputs (0 = background).

    networks: one network. scale: by which features are standardised. extractor: that computes them.
    record: JSON-ready: seed, seconds, what it was trained on.
    """

    networks: Networks
    scale: Scale
    classes: int
    extractor: FeatureExtractor
    record: dict[str, Any] = field(default_factory=dict)

    def probabilities(self, images: Sequence[Image]) -> torch.Tensor:
        """Class probabilities of float32 (H, W, 3) images of one size: float32 (B, classes, H, W)."""
        return torch.stack([self._of_image(image) for image in images])

    def classify(self, sample: PixelSample) -> npt.NDArray[np.uint8]:
        """The most probable class of sampled pixels: uint8 (P,)."""
        with torch.inference_mode():
            logits = self.networks.logits(torch.from_numpy(self.scale.apply(sample.values)))
            return logits[0].argmax(dim=1).to(torch.uint8).numpy()

    def _of_image(self, image: Image) -> torch.Tensor:
        found = torch.empty(self.classes, *image.shape[:2])
        # The scale is worked into the weights: one product less over all pixels.
        weights = self.networks.hidden[0] / torch.from_numpy(self.scale.deviation)[:, None]
        bias = self.networks.hidden_bias[0] - torch.from_numpy(self.scale.mean)[None] @ weights
        device = self.extractor.device
        weights, bias = weights.to(device), bias[0].to(device)
        output, output_bias = self.networks.output[0].to(device), self.networks.output_bias[0].to(device)
        with torch.inference_mode():
            for block in self.extractor.compute(image):
                columns = slice(block.left, block.left + block.width)
                for first, mapped in block.strips(weights):
                    logits = (mapped + bias).relu_() @ output + output_bias
                    found[:, first : first + len(mapped), columns] = logits.softmax(dim=2).permute(2, 0, 1)
        return found

    def save(self, folder: Path) -> None:
        """Write the folder; it appears whole or not at all, and replaces an older one of that name."""
        tensors = dict(zip(WEIGHTS, self.networks.parameters, strict=True))
        tensors["mean"] = torch.from_numpy(self.scale.mean)
        tensors["deviation"] = torch.from_numpy(self.scale.deviation)
        save_folder(
            folder,
            tensors,
            {
                "kind": KIND,
                "classes": self.classes,
                "features": self.extractor.kind,
                "precision": self.extractor.precision,
                "use_pretrained": self.extractor.use_pretrained,
                "record": self.record,
            },
        )

    @classmethod
    def load(cls, folder: Path) -> PixelModel:
        """Read a folder that `save` wrote.
        Raises CheckpointError when it is missing, damaged, or its features cannot be computed here."""
        description, tensors = read_saved(folder)
        try:
            extractor = FeatureExtractor(description["precision"], description["use_pretrained"])
            features, classes = description["features"], int(description["classes"])
            networks = Networks(*(tensors[name] for name in WEIGHTS))
            scale = Scale(tensors["mean"].numpy(), tensors["deviation"].numpy())
            _, channels, width = networks.hidden.shape
            expected = (1, channels, width), (1, 1, width), (1, width, classes), (1, 1, classes)
            if tuple(tuple(each.shape) for each in networks.parameters) != expected:
                raise ValueError(f"weights for {len(scale.mean)} features and {classes} classes do not fit")
            if scale.mean.shape != (channels,) or scale.deviation.shape != (channels,):
                raise ValueError(f"a scale of {scale.mean.shape} for {channels} features")
            model = cls(networks, scale, classes, extractor, description["record"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"The saved pixel classifier in {folder} does not fit its description ({error}). {REMEDY}"
            ) from error
        if features != extractor.kind:
            raise CheckpointError(
                f"The pixel classifier in {folder} was trained on features of kind {features}, but those"
                f" computed here are {extractor.kind}: install what requirements.txt lists, or train again."
            )
        return model


def train_pixel_model(
    samples: Sequence[PixelSample],
    labels: Sequence[Mask],
    *,
    classes: int,
    seed: int,
    extractor: FeatureExtractor,
    scale: Scale | None = None,
    on_step: OnStep | None = None,
) -> PixelModel:
    """Train on the samples of labelled images and their uint8 (H, W) class ids.

    `scale` standardises the features, default that of these images. The same for the same arguments.
    Raises TooFewLabelsError without an image, MaskError for a class that is not one of `classes`.
    """
    if not samples or len(samples) != len(labels):
        raise TooFewLabelsError(
            f"Found {len(samples)} images and {len(labels)} masks to train on, expected one mask for each"
            " image and at least one: label an image first."
        )
    highest = max(int(mask.max()) for mask in labels)
    if highest >= classes:
        raise MaskError(
            f"A mask holds class {highest}, expected 0 to {classes - 1}: train with all classes of the"
            " labels."
        )
    started = time.perf_counter()
    scale = scale or Scale.over(samples)
    thinned = slice(None, None, -(-sum(len(each.positions) for each in samples) // MOST_PIXELS))
    pixels = Pixels(
        np.concatenate([scale.apply(each.values[thinned]) for each in samples]),
        np.concatenate([each.classes_in(mask)[thinned] for each, mask in zip(samples, labels, strict=True)]),
    )
    networks = train_networks([pixels], [seed], classes=classes, on_step=on_step)
    record = {"seed": seed, "images": len(samples), "features": extractor.version}
    record["seconds"] = round(time.perf_counter() - started, 2)
    return PixelModel(networks, scale, classes, extractor, record)
