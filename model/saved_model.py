"""A saved model of either kind, read from its folder."""

from __future__ import annotations

from pathlib import Path

import torch

from model.network.checkpoint import TrainedModel
from model.network.folder import read_description
from model.network.inference import Segmenter
from model.pixels import classifier


def load_model(folder: Path, device: torch.device | None = None) -> Segmenter:
    """The U-Net or pixel classifier that was saved in a folder.
    Raises CheckpointError when it is missing, damaged, or of another format."""
    if read_description(folder).get("kind") == classifier.KIND:
        return classifier.PixelModel.load(folder)
    return TrainedModel.load(folder, device)
