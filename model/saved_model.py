"""A saved model of either kind, read from its folder."""

from __future__ import annotations

from pathlib import Path

from model.errors import CheckpointError
from model.network.checkpoint import TrainedModel
from model.network.folder import read_description
from model.network.inference import Segmenter
from model.pixels import classifier


def load_model(folder: Path) -> Segmenter:
    """The U-Net or pixel classifier that was saved in a folder.
    Raises CheckpointError when it is missing, damaged, or of another format."""
    if read_description(folder).get("kind") == classifier.KIND:
        return classifier.PixelModel.load(folder)
    return TrainedModel.load(folder)


def working_side(model: Segmenter) -> int:
    """The longer side, in pixels, of the images that a model was trained on."""
    if isinstance(model, TrainedModel):
        return model.recipe.max_side
    try:
        return int(model.record["recipe"]["max_side"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            "The saved model does not say at which size of images it was trained, as those of experiments do"
            " not; expected one that was exported."
        ) from error


def class_names(model: Segmenter) -> tuple[str, ...]:
    """The names of a model's classes 1, 2, ...; their numbers where it was saved without names."""
    labels = model.record.get("labels")
    named = tuple(map(str, labels)) if isinstance(labels, list | tuple) else ()
    return named if len(named) == model.classes - 1 else tuple(map(str, range(1, model.classes)))
