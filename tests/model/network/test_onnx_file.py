"""A network as ONNX."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from model.network.checkpoint import TrainedModel
from model.network.inference import predict_mask, predict_probabilities
from model.network.onnx_file import INPUT, OUTPUT, write_onnx
from model.network.recipe import Recipe
from model.network.unet import build_network


@pytest.mark.parametrize(
    ("encoder", "flips"), [("unet", False), ("resnet18", False), ("efficientnet-lite0", True)]
)
def test_onnxruntime_draws_the_same_masks(encoder: str, flips: bool, tmp_path: Path) -> None:
    """Of images of any size, several at once, too."""
    torch.manual_seed(1)
    recipe = Recipe(encoder=encoder, width=8, depth=3, max_side=96, precision="float32", flips=flips)
    network = build_network(encoder, 3, width=recipe.width, depth=recipe.depth).eval()
    model = TrainedModel(network, 3, recipe)
    write_onnx(model, tmp_path / "model.onnx", ["axon", "nucleus"])
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    told = session.get_modelmeta().custom_metadata_map
    assert (json.loads(told["labels"]), told["max_side"]) == (["axon", "nucleus"], "96")
    random = np.random.default_rng(0)
    for size in ((96, 96), (64, 90), (33, 41)):
        image = random.normal(size=(*size, 3)).astype(np.float32)
        batch = np.stack([image, image[::-1]]).transpose(0, 3, 1, 2)
        (found,) = session.run([OUTPUT], {INPUT: batch})
        assert found[0] == pytest.approx(predict_probabilities(model, image), abs=1e-4)
        assert (found[0].argmax(axis=0) == predict_mask(model, image)).mean() > 0.999
