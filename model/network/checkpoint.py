"""A trained network with everything needed to use it again, and its folder on disk:
weights.safetensors and model.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.arrays import Image
from model.errors import CheckpointError
from model.network.device import default_device
from model.network.folder import REMEDY, read_saved, reading, save_folder
from model.network.forward import forward
from model.network.recipe import Recipe
from model.network.unet import build_network, memory_format

KIND = "unet"


@dataclass
class TrainedModel:
    """A network in evaluation mode:
    `classes` outputs (0 = background), the recipe it was built and trained by, and a record."""

    network: nn.Module
    classes: int
    recipe: Recipe
    record: dict[str, Any] = field(
        default_factory=dict
    )  # JSON-ready: seed, steps, seconds, what it was trained on

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def probabilities(self, images: Sequence[Image]) -> torch.Tensor:
        """Class probabilities of float32 (H, W, 3) images of one size: float32 (B, classes, H, W), on the
        network's device."""
        return forward(self, images)

    def save(self, folder: Path) -> None:
        """Write the folder; it appears whole or not at all, and replaces an older one of that name."""
        save_folder(
            folder,
            self.network.state_dict(),
            {
                "kind": KIND,
                "classes": self.classes,
                "recipe": self.recipe.to_dict(),
                "record": self.record,
            },
        )

    @classmethod
    def load(cls, folder: Path, device: torch.device | None = None) -> TrainedModel:
        """Read a folder that `save` wrote.
        Raises CheckpointError when it is missing, damaged, or of another format."""
        device = device or default_device()
        description, weights = read_saved(folder)
        if description.get("kind", KIND) != KIND:  # earlier folders name no kind
            raise CheckpointError(
                f"The saved model in {folder} is no U-Net but of kind {description['kind']!r}."
            )
        with reading(folder):
            recipe, classes, record = (description[name] for name in ("recipe", "classes", "record"))
            if not isinstance(record, dict) or type(classes) is not int or not 2 <= classes <= 256:
                raise ValueError(f"found {classes!r} classes and the record {str(record)[:40]!r}")
            recipe = Recipe.from_saved(recipe)
            # The weights are about to be loaded: pretrained ones need not be fetched again.
            network = build_network(recipe.encoder, classes, width=recipe.width, depth=recipe.depth)
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise CheckpointError(
                f"The weights in {folder} do not fit their description ({str(error)[:200]}). {REMEDY}"
            ) from error
        network = network.to(device).to(memory_format=memory_format(recipe.encoder, device)).eval()
        return cls(network, classes, recipe, record)
