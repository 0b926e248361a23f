"""A U-Net as an ONNX file, which other programs run without this project."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import pad

from model.errors import CheckpointError
from model.files import write_bytes
from model.network.checkpoint import TrainedModel
from model.network.forward import mean_of_flips, stride_of
from model.network.unet import build_network

INPUT, OUTPUT = "image", "probabilities"
OPSET = 17
"""Understood by onnxruntime since 1.12, of 2022."""


class _WithPadding(nn.Module):
    """Normalised images of any size to class probabilities of that size."""

    def __init__(self, network: nn.Module, stride: int, flips: bool) -> None:
        super().__init__()
        self.network = network
        self.stride = stride
        self.flips = flips

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return mean_of_flips(self._predict, image) if self.flips else self._predict(image)

    def _predict(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[2], image.shape[3]
        whole = pad(image, (0, -width % self.stride, 0, -height % self.stride), mode="replicate")
        return self.network(whole).softmax(dim=1)[:, :, :height, :width]


def write_onnx(model: TrainedModel, path: Path, labels: Sequence[str]) -> None:
    """Write a network as ONNX: input "image", float32 (B, 3, H, W), normalised as by
    `model.data.images.pixels.normalise`; output "probabilities", float32 (B, classes, H, W), 0 the
    background.

    The metadata holds the names of the classes and the longest side of images that it was trained on.
    The file appears whole or not at all. Raises CheckpointError for a network that ONNX cannot express.
    """
    import onnx

    recipe = model.recipe
    network = build_network(recipe.encoder, model.classes, width=recipe.width, depth=recipe.depth)
    network.load_state_dict(model.network.state_dict())  # a copy: this one may be on a GPU
    file = io.BytesIO()
    sizes = {0: "batch", 2: "height", 3: "width"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the older exporter, which needs a fifth of the libraries
            torch.onnx.export(
                _WithPadding(network, stride_of(model), recipe.flips).eval(),
                (torch.zeros(1, 3, 75, 90),),
                file,  # type: ignore[arg-type]  # the older exporter takes files as well
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: sizes, OUTPUT: sizes},
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # encoders of other libraries raise anything
        raise CheckpointError(
            f"The network with the encoder {recipe.encoder!r} cannot be written as ONNX"
            f" ({str(error)[:200]}). Export without --onnx: the folder model works with `python -m model"
            " predict`."
        ) from error
    graph = onnx.load_from_string(file.getvalue())
    told = {"labels": json.dumps(list(labels)), "max_side": str(recipe.max_side)}
    onnx.helper.set_model_props(graph, told)
    write_bytes(path, graph.SerializeToString())
