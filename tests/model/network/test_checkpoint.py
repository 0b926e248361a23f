"""Saved networks."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import model as model_package
from model.errors import CheckpointError
from model.network.checkpoint import TrainedModel
from model.network.folder import DESCRIPTION, WEIGHTS
from model.network.inference import predict_probabilities
from model.network.recipe import Recipe
from model.network.training import train
from tests.model.conftest import blobs


@pytest.fixture(scope="module")
def model(tiny_recipe: Recipe) -> TrainedModel:
    image, mask = blobs(0)
    return train([image], [mask], classes=2, recipe=tiny_recipe, seed=0, steps=3)


def test_a_saved_network_predicts_the_same(model: TrainedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "v1")
    loaded = TrainedModel.load(tmp_path / "v1")
    image = blobs(7)[0]
    np.testing.assert_array_equal(predict_probabilities(model, image), predict_probabilities(loaded, image))
    assert (loaded.recipe, loaded.record, loaded.classes) == (model.recipe, model.record, 2)


def test_a_network_saved_with_a_setting_that_is_gone_predicts_as_before(
    model: TrainedModel, tmp_path: Path
) -> None:
    model.save(tmp_path / "v1")
    path = tmp_path / "v1" / DESCRIPTION
    description = json.loads(path.read_text())
    description["recipe"]["average"] = 0.99
    path.write_text(json.dumps(description))
    assert TrainedModel.load(tmp_path / "v1").recipe == model.recipe


def test_saving_again_replaces_and_leaves_nothing_beside(model: TrainedModel, tmp_path: Path) -> None:
    for _ in range(2):
        model.save(tmp_path / "v1")
    assert [path.name for path in tmp_path.iterdir()] == ["v1"]
    assert sorted(path.name for path in (tmp_path / "v1").iterdir()) == [DESCRIPTION, WEIGHTS]


def test_nothing_is_kept_in_a_format_that_could_run_code() -> None:
    source = "".join(path.read_text() for path in Path(model_package.__file__).parent.rglob("*.py"))
    # The package of pretrained weights: only tensors are read, of a file whose digest is known.
    source = source.replace('torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)', "")
    for danger in ("import pickle", "torch.load(", "torch.save(", "allow_pickle=True", "joblib"):
        assert danger not in source


def test_a_missing_network_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No saved network"):
        TrainedModel.load(tmp_path / "none")


@pytest.mark.parametrize("file", [WEIGHTS, DESCRIPTION])
def test_a_half_written_network_is_said(model: TrainedModel, tmp_path: Path, file: str) -> None:
    model.save(tmp_path / "v1")
    path = tmp_path / "v1" / file
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CheckpointError, match="damaged"):
        TrainedModel.load(tmp_path / "v1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("recipe"), "damaged"),
        (lambda content: content.pop("classes"), "damaged"),
        (lambda content: content.update(record=None), "damaged"),
        (lambda content: content.update(recipe=[1]), "damaged"),
        (lambda content: content.update(classes="3"), "damaged"),
        (lambda content: content.update(classes=300), "damaged"),
        (lambda content: content["recipe"].update(of_tomorrow=1), "does not know"),
        (lambda content: content["recipe"].update(encoder="resnt18"), "does not know"),
    ],
)
def test_an_odd_description_is_an_error_of_its_folder(
    model: TrainedModel, tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    model.save(tmp_path / "v1")
    path = tmp_path / "v1" / DESCRIPTION
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=rf"v1.*\b{said}|{said}.*v1"):
        TrainedModel.load(tmp_path / "v1")


def test_weights_that_are_no_numbers_are_said(model: TrainedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "v1")
    weights = load_file(tmp_path / "v1" / WEIGHTS)
    weights["segmentation_head.0.bias"][0] = float("nan")
    save_file(weights, tmp_path / "v1" / WEIGHTS)
    with pytest.raises(CheckpointError, match="no numbers"):
        TrainedModel.load(tmp_path / "v1")


def test_weights_that_do_not_fit_are_said(model: TrainedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "v1")
    path = tmp_path / "v1" / DESCRIPTION
    path.write_text(path.read_text().replace('"width": 4', '"width": 8'))
    with pytest.raises(CheckpointError, match="do not fit"):
        TrainedModel.load(tmp_path / "v1")


def test_many_writers_of_one_folder_leave_one_whole_network(model: TrainedModel, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(model.save, tmp_path / "v1") for _ in range(24)]:
            future.result()
    TrainedModel.load(tmp_path / "v1")
    assert [path.name for path in tmp_path.iterdir()] == ["v1"]
