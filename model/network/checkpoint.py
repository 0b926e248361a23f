"""A trained network with everything needed to use it again, and its folder on disk:
weights.safetensors and model.json."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from model.errors import CheckpointError
from model.hashing import digest
from model.network.device import default_device
from model.network.recipe import Recipe
from model.network.unet import build_network, memory_format

WRITERS = 100  # tries to be the one that puts a folder in place
FORMAT = 1  # raised when a saved network can no longer be read as before
WEIGHTS = "weights.safetensors"
DESCRIPTION = "model.json"
REMEDY = "Train again, or restore the folder from a backup."


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

    def save(self, folder: Path) -> None:
        """Write the folder; it appears whole or not at all, and replaces an older one of that name."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            # Plain contiguous copies: safetensors refuses the channels-last memory order.
            save_file(
                {
                    name: tensor.detach().cpu().contiguous()
                    for name, tensor in self.network.state_dict().items()
                },
                beside / WEIGHTS,
            )
            description = {
                "format": FORMAT,
                "classes": self.classes,
                "recipe": self.recipe.to_dict(),
                "record": self.record,
            }
            (beside / DESCRIPTION).write_text(json.dumps(description, indent=1))
            beside.chmod(0o755)  # mkdtemp makes it private; several users of one storage read it
            _put_in_place(beside, folder)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise

    @classmethod
    def load(cls, folder: Path, device: torch.device | None = None) -> TrainedModel:
        """Read a folder that `save` wrote.
        Raises CheckpointError when it is missing, damaged, or of another format."""
        device = device or default_device()
        try:
            description = json.loads((folder / DESCRIPTION).read_text())
            weights = load_file(folder / WEIGHTS)
        except FileNotFoundError as error:
            raise CheckpointError(
                f"No saved network in {folder}: {Path(error.filename or WEIGHTS).name} is missing. {REMEDY}"
            ) from error
        except (ValueError, OSError, SafetensorError) as error:
            raise CheckpointError(f"The saved network in {folder} is damaged ({error}). {REMEDY}") from error
        if not isinstance(description, dict) or description.get("format") != FORMAT:
            raise CheckpointError(
                f"The saved network in {folder} is not of format {FORMAT}, which this version reads. {REMEDY}"
            )
        recipe = Recipe.from_dict(description["recipe"])
        # The weights are about to be loaded: pretrained ones need not be fetched again.
        network = build_network(
            recipe.encoder, description["classes"], width=recipe.width, depth=recipe.depth
        )
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise CheckpointError(
                f"The weights in {folder} do not fit their description ({str(error)[:200]}). {REMEDY}"
            ) from error
        network = network.to(device).to(memory_format=memory_format(recipe.encoder, device)).eval()
        return cls(network, description["classes"], recipe, description["record"])


def saved_digest(folder: Path) -> str:
    """Digest of the weights in a folder that `save` wrote, which are not loaded.
    Raises CheckpointError when they cannot be read."""
    try:
        return digest((folder / WEIGHTS).read_bytes())
    except OSError as error:
        raise CheckpointError(
            f"No saved network in {folder} ({error.strerror or error}). {REMEDY}"
        ) from error


def _put_in_place(beside: Path, folder: Path) -> None:
    """Move a finished folder to its name;
    whoever of several writers comes last wins, and no reader finds half of it."""
    old = beside.with_name(f"{beside.name}-old")
    for _ in range(WRITERS):
        with suppress(FileNotFoundError):
            folder.replace(old)
        try:
            beside.replace(folder)  # at once: in between, a reader finds none
            return
        except OSError as error:
            if error.errno not in (
                errno.ENOTEMPTY,
                errno.EEXIST,
            ):  # another writer was faster: its folder is moved away in turn
                raise
        finally:
            shutil.rmtree(old, ignore_errors=True)
    raise CheckpointError(
        f"The saved network {folder} is being written by too many processes at once; try again."
    )
