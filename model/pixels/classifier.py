"""The pixel classifier: one small network over the features of pixels, trained on all labels in a second; a
segmenter like the U-Net, in a folder on disk of the same two files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.arrays import Image, Mask
from model.errors import CheckpointError, MaskError, TooFewLabelsError
from model.network.device import describe
from model.network.folder import REMEDY, read_saved, save_folder
from model.pixels.features import Block, FeatureExtractor
from model.pixels.samples import PixelSample, Scale
from model.pixels.stacked import Networks, OnStep, Pixels, split_blocks, train_networks

KIND = "pixel"
WEIGHTS = ("hidden", "hidden_bias", "output", "output_bias")
MOST_PIXELS = 200_000
"""Of all images together that are trained on, 170 MB; a training sees half of them.
Of several classifiers, so many are trained together as have no more."""


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
        return torch.stack(
            [self.probabilities_of(self.extractor.compute(image), image.shape[:2]) for image in images]
        )

    @property
    def width(self) -> int:
        """Units of the hidden layer."""
        return self.networks.hidden.shape[2]

    def sampled_probabilities(self, sample: PixelSample) -> npt.NDArray[np.float32]:
        """Class probabilities of sampled pixels: float32 (P, classes)."""
        with torch.inference_mode():
            return self.networks.logits(self._standardised(sample))[0].softmax(dim=1).numpy()

    def mean_hidden(self, sample: PixelSample) -> npt.NDArray[np.float32]:
        """The hidden layer, mean over the sampled pixels: float32 (width,)."""
        with torch.inference_mode():
            hidden = self._standardised(sample) @ self.networks.hidden[0] + self.networks.hidden_bias[0]
            return hidden.relu_().mean(dim=0).numpy()

    def classify(self, sample: PixelSample) -> npt.NDArray[np.uint8]:
        """The most probable class of sampled pixels: uint8 (P,)."""
        with torch.inference_mode():
            logits = self.networks.logits(self._standardised(sample))
            return logits[0].argmax(dim=1).to(torch.uint8).numpy()

    def _standardised(self, sample: PixelSample) -> torch.Tensor:
        return torch.from_numpy(self.scale.apply(sample.values))

    def probabilities_of(self, blocks: Iterable[Block], size: tuple[int, ...]) -> torch.Tensor:
        """Class probabilities of an image of `size` (height, width) by the features of all its pixels:
        float32 (classes, H, W)."""
        found = torch.empty(self.classes, *size)
        # The scale is worked into the weights: one product less over all pixels.
        weights = self.networks.hidden[0] / torch.from_numpy(self.scale.deviation)[:, None]
        bias = self.networks.hidden_bias[0] - torch.from_numpy(self.scale.mean)[None] @ weights
        device = self.extractor.device
        weights, bias = weights.to(device), bias[0].to(device)
        output, output_bias = self.networks.output[0].to(device), self.networks.output_bias[0].to(device)
        with torch.inference_mode():
            for block in blocks:
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
    pairs = list(zip(samples, labels, strict=True))
    (model,) = train_pixel_models(
        [pairs], [seed], classes=classes, extractor=extractor, scale=scale, on_step=on_step
    )
    return model


def train_pixel_models(
    parts: Sequence[Sequence[tuple[PixelSample, Mask]]],
    seeds: Sequence[int],
    *,
    classes: int,
    extractor: FeatureExtractor,
    scale: Scale | None = None,
    on_step: OnStep | None = None,
) -> list[PixelModel]:
    """A classifier for each part, with its seed, all trained together; each becomes what it would be alone.

    A part: samples of labelled images, each with its uint8 (H, W) class ids; at least one image.
    `scale` standardises the features of all parts, default of each part that of its images.
    Raises MaskError for a class that is not one of `classes`.
    """
    highest = max(int(mask.max()) for part in parts for _, mask in part)
    if highest >= classes:
        raise MaskError(
            f"A mask holds class {highest}, expected 0 to {classes - 1}: train with all classes of the"
            " labels."
        )
    started = time.perf_counter()
    scales = [scale or Scale.over(sample for sample, _ in part) for part in parts]
    blocks = list(split_blocks([_count(part) for part in parts], MOST_PIXELS))
    trained: list[Networks] = []
    for number, block in enumerate(blocks):

        def count(done: int, total: int, number: int = number) -> None:
            if on_step is not None:
                on_step(number * total + done, len(blocks) * total)

        pixels = [_pixels_of(part, own) for part, own in zip(parts[block], scales[block], strict=True)]
        trained += train_networks(pixels, seeds[block], classes=classes, on_step=count).each()
    seconds = round(time.perf_counter() - started, 2)
    models = []
    for part, seed, own, networks in zip(parts, seeds, scales, trained, strict=True):
        record = {"seed": seed, "images": len(part), "features": extractor.version, "seconds": seconds}
        record["machine"] = describe(extractor.device, extractor.precision)
        models.append(PixelModel(networks, own, classes, extractor, record))
    return models


def _count(part: Sequence[tuple[PixelSample, Mask]]) -> int:
    return min(sum(len(sample.positions) for sample, _ in part), MOST_PIXELS)


def _pixels_of(part: Sequence[tuple[PixelSample, Mask]], scale: Scale) -> Pixels:
    thinned = slice(None, None, -(-sum(len(sample.positions) for sample, _ in part) // MOST_PIXELS))
    return Pixels(
        np.concatenate([scale.apply(sample.values[thinned]) for sample, _ in part]),
        np.concatenate([sample.classes_in(mask)[thinned] for sample, mask in part]),
    )
