"""From a trained network and images to probabilities and masks at the original size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate, pad

from model.arrays import Image, Mask
from model.data.images import row_blocks
from model.network.checkpoint import TrainedModel
from model.network.device import autocast
from model.network.unet import memory_format

# pixels; larger images are predicted in tiles of this side:
# with their overlap 2 cover 2048, 3 cover 3072, 4 cover 4096
TILE = 1120
OVERLAP = 128  # pixels shared by neighbouring tiles, where the predictions fade into each other
BATCH_PIXELS = 512 * 512  # images of one size are predicted together up to this many pixels


def predict_probabilities(
    model: TrainedModel, image: Image, *, size: tuple[int, int] | None = None, tile: int = TILE
) -> npt.NDArray[np.float32]:
    """Class probabilities float32 (classes, H, W) of a float32 (H, W, 3) image;
    `size` (height, width) resamples them bilinearly.

    Images with a side above `tile` pixels are predicted in overlapping tiles that fade into each other.
    """
    with torch.inference_mode():
        batch = _to_batch([image], model)
        probabilities = (
            _forward(model, batch) if max(image.shape[:2]) <= tile else _forward_tiled(model, batch, tile)
        )
        if size is not None and size != image.shape[:2]:
            probabilities = interpolate(probabilities, size=size, mode="bilinear", align_corners=False)
        return probabilities[0].cpu().numpy()


def predict_rows(
    model: TrainedModel, image: Image, size: tuple[int, int]
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """`predict_probabilities` at `size` = (height, width) in blocks of rows:
    the first row's number, and float32 (classes, rows, W)."""
    small = torch.from_numpy(predict_probabilities(model, image))[None]
    for first, end in row_blocks(*size):
        with torch.inference_mode():
            yield first, _rows_of(small, size, first, end)[0].numpy()


def predict_mask(model: TrainedModel, image: Image, *, size: tuple[int, int] | None = None) -> Mask:
    """The most probable class of each pixel, uint8 (H, W) class ids, at `size` (height, width) if given."""
    mask: Mask = np.empty(size or image.shape[:2], dtype=np.uint8)
    for first, rows in predict_rows(model, image, (mask.shape[0], mask.shape[1])):
        mask[first : first + rows.shape[1]] = rows.argmax(axis=0)
    return mask


def predict_masks(model: TrainedModel, images: Iterable[Image]) -> Iterator[Mask]:
    """uint8 (H, W) class ids of each image in order, at the images' own sizes;
    small neighbours of one size share a forward pass."""
    for group in _batches(images):
        if len(group) == 1:
            yield predict_mask(model, group[0])
        else:
            with torch.inference_mode():
                masks = _forward(model, _to_batch(group, model)).argmax(dim=1).to(torch.uint8).cpu().numpy()
            yield from masks


def extract_features(model: TrainedModel, image: Image) -> npt.NDArray[np.float32]:
    """Global average pooling of the decoder's last feature layer (Grüning et al. 2020, section III):
    float32 (channels,)."""
    with torch.inference_mode(), autocast(model.device, model.recipe.precision):
        encoder, decoder = model.network.get_submodule("encoder"), model.network.get_submodule("decoder")
        features = decoder(encoder(_padded(_to_batch([image], model), model)))
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


def _to_batch(images: Sequence[Image], model: TrainedModel) -> torch.Tensor:
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)  # a view in channels-last order
    return batch.to(model.device, memory_format=memory_format(model.recipe.encoder, model.device))


def _padded(batch: torch.Tensor, model: TrainedModel) -> torch.Tensor:
    """The batch with its lower and right edge repeated up to a multiple of the deepest stride, which every
    encoder can take."""
    stride = 2 ** max(model.recipe.depth, 5)
    height, width = batch.shape[2:]
    return pad(batch, (0, -width % stride, 0, -height % stride), mode="replicate")


def _forward(model: TrainedModel, batch: torch.Tensor) -> torch.Tensor:
    height, width = batch.shape[2:]
    with autocast(model.device, model.recipe.precision):
        logits = model.network(_padded(batch, model))
    return logits.float().softmax(dim=1)[:, :, :height, :width]


def _forward_tiled(model: TrainedModel, batch: torch.Tensor, tile: int) -> torch.Tensor:
    height, width = batch.shape[2:]
    total = torch.zeros((1, model.classes, height, width), device=batch.device)
    weights = torch.zeros((1, 1, height, width), device=batch.device)
    for top in tile_starts(height, tile):
        for left in tile_starts(width, tile):
            part = batch[:, :, top : top + tile, left : left + tile]
            weight = _fade(part.shape[2], batch.device)[:, None] * _fade(part.shape[3], batch.device)[None, :]
            total[:, :, top : top + tile, left : left + tile] += _forward(model, part) * weight
            weights[:, :, top : top + tile, left : left + tile] += weight
    return total / weights


def tile_starts(length: int, tile: int) -> list[int]:
    """First pixels of tiles that cover `length`, the last one flush with the end."""
    if length <= tile:
        return [0]
    overlap = min(OVERLAP, tile // 4)
    count = -(-(length - overlap) // (tile - overlap))
    return [round(start) for start in np.linspace(0, length - tile, count)]


def _fade(length: int, device: torch.device) -> torch.Tensor:
    """Weights (length,) that rise from an edge to 1 over the overlap, never 0."""
    distance = torch.arange(1, length + 1, device=device)
    return (torch.minimum(distance, distance.flip(0)) / OVERLAP).clamp(max=1.0)
