"""From a trained segmenter and images to probabilities and masks at the original size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from model.arrays import Image, Mask
from model.data.images.pixels import row_blocks
from model.network.checkpoint import TrainedModel
from model.network.device import autocast
from model.network.forward import padded, to_batch

BATCH_PIXELS = 512 * 512  # images of one size are predicted together up to this many pixels


class Segmenter(Protocol):
    """A trained model of either kind: a U-Net, or a pixel classifier."""

    classes: int
    record: dict[str, Any]

    def probabilities(self, images: Sequence[Image]) -> torch.Tensor:
        """Class probabilities of float32 (H, W, 3) images of one size: float32 (B, classes, H, W)."""
        ...

    def save(self, folder: Path) -> None:
        """Write the folder; it appears whole or not at all."""
        ...


def predict_probabilities(
    model: Segmenter, image: Image, *, size: tuple[int, int] | None = None
) -> npt.NDArray[np.float32]:
    """Class probabilities float32 (classes, H, W) of a float32 (H, W, 3) image;
    `size` (height, width) resamples them bilinearly."""
    with torch.inference_mode():
        probabilities = model.probabilities([image])
        if size is not None and size != image.shape[:2]:
            probabilities = interpolate(probabilities, size=size, mode="bilinear", align_corners=False)
        return probabilities[0].cpu().numpy()


def predict_rows(
    model: Segmenter, image: Image, size: tuple[int, int]
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """`predict_probabilities` at `size` = (height, width) in blocks of rows:
    the first row's number, and float32 (classes, rows, W)."""
    small = torch.from_numpy(predict_probabilities(model, image))[None]
    for first, end in row_blocks(*size):
        with torch.inference_mode():
            yield first, _rows_of(small, size, first, end)[0].numpy()


def predict_mask(model: Segmenter, image: Image, *, size: tuple[int, int] | None = None) -> Mask:
    """The most probable class of each pixel, uint8 (H, W) class ids, at `size` (height, width) if given."""
    mask: Mask = np.empty(size or image.shape[:2], dtype=np.uint8)
    for first, rows in predict_rows(model, image, (mask.shape[0], mask.shape[1])):
        mask[first : first + rows.shape[1]] = rows.argmax(axis=0)
    return mask


def predict_masks(model: Segmenter, images: Iterable[Image]) -> Iterator[Mask]:
    """uint8 (H, W) class ids of each image in order, at the images' own sizes;
    small neighbours of one size share a forward pass."""
    for group in _batches(images):
        if len(group) == 1:
            yield predict_mask(model, group[0])
        else:
            with torch.inference_mode():
                masks = model.probabilities(group).argmax(dim=1).to(torch.uint8).cpu().numpy()
            yield from masks


def extract_features(model: TrainedModel, image: Image) -> npt.NDArray[np.float32]:
    """Global average pooling of the decoder's last feature layer (Grüning et al. 2020, section III):
    float32 (channels,)."""
    with torch.inference_mode(), autocast(model.device, model.recipe.precision):
        encoder, decoder = model.network.get_submodule("encoder"), model.network.get_submodule("decoder")
        features = decoder(encoder(padded(to_batch([image], model), model)))
        height, width = image.shape[:2]  # what lies beyond is padding
        return features[:, :, :height, :width].float().mean(dim=(0, 2, 3)).cpu().numpy()


def _rows_of(small: torch.Tensor, size: tuple[int, int], first: int, end: int) -> torch.Tensor:
    """Rows `first` to `end` of (1, C, h, w) resampled bilinearly to `size`."""
    if size == tuple(small.shape[2:]):
        return small[:, :, first:end]
    if (first, end) != (
        0,
        size[0],
    ):  # between which two rows each lies; its columns follow as in a small image
        place = ((torch.arange(first, end) + 0.5) * (small.shape[2] / size[0]) - 0.5).clamp(min=0)
        above = place.long()
        below = (above + 1).clamp(max=small.shape[2] - 1)
        small = torch.lerp(small[:, :, above], small[:, :, below], (place - above)[None, None, :, None])
    return interpolate(small, size=(end - first, size[1]), mode="bilinear", align_corners=False)


def _batches(images: Iterable[Image]) -> Iterator[list[Image]]:
    group: list[Image] = []
    for image in images:
        pixels = image.shape[0] * image.shape[1]
        if group and (group[0].shape != image.shape or (len(group) + 1) * pixels > BATCH_PIXELS):
            yield group
            group = []
        group.append(image)
    if group:
        yield group
