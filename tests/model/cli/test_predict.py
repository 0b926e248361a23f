"""`predict`: masks of a saved model as files."""

from __future__ import annotations

import csv
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from pycocotools.coco import COCO
from typer.testing import CliRunner, Result

from model.cli import app
from model.data.pool import scan
from model.network.checkpoint import TrainedModel
from model.network.inference import predict_mask
from model.network.recipe import Recipe
from model.network.unet import build_network
from tests.model.data.reading import read_image
from tests.model.rights import of_a_user


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A U-Net of three classes with random weights, as a folder."""
    torch.manual_seed(0)
    recipe = Recipe(width=4, depth=2, max_side=64)
    network = build_network(recipe.encoder, 3, width=recipe.width, depth=recipe.depth).eval()
    folder = tmp_path_factory.mktemp("saved") / "model"
    TrainedModel(network, 3, recipe, {"name": "v7", "labels": ["axon", "nucleus"]}).save(folder)
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Four images of several sizes and kinds, one of them damaged, one in a sub-folder."""
    random = np.random.default_rng(0)
    folder = tmp_path / "images"
    (folder / "plate1").mkdir(parents=True)
    Image.fromarray(random.integers(0, 255, (100, 80, 3), dtype=np.uint8)).save(folder / "a.png")
    Image.fromarray(random.integers(0, 255, (64, 90), dtype=np.uint8)).save(folder / "b.jpg")
    tifffile.imwrite(folder / "plate1/a.tif", random.integers(0, 60000, (48, 50), dtype=np.uint16))
    (folder / "damaged.png").write_bytes((folder / "a.png").read_bytes()[:5000])
    return folder


def predict(saved: Path, images: Path, *options: str) -> Result:
    """Into the folder `out` beside the images."""
    where = ["--model", str(saved), "--images", str(images), "--out", str(images.parent / "out")]
    return CliRunner().invoke(app.app, ["predict", *where, *options], env={"COLUMNS": "300"})


def expected(saved: Path, path: Path) -> np.ndarray:
    """The mask by the library."""
    with Image.open(path) as image:
        size = (image.height, image.width)
    return predict_mask(TrainedModel.load(saved), read_image(path, max_side=64), size=size)


def test_each_image_gets_its_mask_under_its_name_and_a_damaged_one_stops_nothing(
    saved: Path, images: Path
) -> None:
    done = predict(saved, images)
    assert done.exit_code == 0, done.output
    assert "Left out" in done.stderr
    assert "damaged.png" in done.stderr
    out = images.parent / "out"
    rows = {row["file"]: row for row in csv.DictReader((out / "index.csv").open())}
    assert sorted(rows) == ["a.png", "b.jpg", "plate1/a.tif"]
    assert {row["mask"] for row in rows.values()} == {"a.png", "b.png", "plate1/a.png"}
    assert {(row["source"], row["model_version"]) for row in rows.values()} == {("prediction", "v7")}
    for name in ("a.png", "b.jpg", "plate1/a.tif"):
        mask = np.asarray(Image.open(out / rows[name]["mask"]))
        assert (mask == expected(saved, images / name)).all()


@pytest.mark.parametrize(("folder", "image"), [("c.png", "c.tif"), ("d.png", "d.jpg")])
def test_an_image_called_as_the_folder_of_another_one_stops_nothing(
    saved: Path, images: Path, folder: str, image: str
) -> None:
    """The mask of the one is a file where that of the other needs a folder, whichever comes first."""
    (images / folder).mkdir()
    shutil.copy(images / "a.png", images / folder / "x.png")
    Image.open(images / "a.png").save(images / image)
    done = predict(saved, images)
    assert done.exit_code == 0, done.output
    assert "rename the image" in done.stderr
    assert "Written: 4 masks" in done.stderr


def test_images_that_look_like_masks_are_asked_about(saved: Path, images: Path) -> None:
    shutil.copy(images / "a.png", images / "a_mask.png")
    done = predict(saved, images)
    assert "Please look: 1 of the 5 images are called as masks are (a_mask.png)" in done.stderr
    assert "move them out of the folder" in done.stderr


def test_what_an_image_does_not_say_of_itself_is_told(saved: Path, images: Path) -> None:
    tifffile.imwrite(images / "planes.tif", np.random.default_rng(0).integers(0, 255, (3, 64, 64), np.uint8))
    assert "1 images (planes.tif) hold 3 planes" in predict(saved, images).stderr


def test_a_folder_that_holds_what_is_read_takes_no_masks(saved: Path, images: Path) -> None:
    """Not even with --force, which would move it out of the way."""
    for out in (images.parent, saved.parent):
        where = ["--model", str(saved), "--images", str(images), "--out", str(out), "--force"]
        done = CliRunner().invoke(app.app, ["predict", *where], env={"COLUMNS": "300"})
        assert done.exit_code == 2
        assert "holds the" in done.stderr
    assert (images / "a.png").is_file()


def test_masks_that_were_moved_aside_are_no_labels(saved: Path, images: Path) -> None:
    predict(saved, images)
    content = (images / "b.jpg").read_bytes()
    (images / "b.jpg").unlink()
    predict(saved, images, "--force")
    (images / "b.jpg").write_bytes(content)
    pool = scan(images, images.parent / "out")
    assert pool.unlabelled == ("b.jpg",)


def test_a_stopped_run_goes_on_and_nothing_is_overwritten_unasked(saved: Path, images: Path) -> None:
    out = images.parent / "out"
    (images / "damaged.png").unlink()
    assert predict(saved, images).exit_code == 0
    finished = predict(saved, images)
    assert finished.exit_code == 2
    assert "holds a finished export" in finished.stderr
    assert "--force" in finished.stderr
    # As a kill leaves it: the last lines are not written, one of them half, and the table is written last.
    (out / "index.csv").unlink()
    journal = out / ".export.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    before = {path: path.stat().st_mtime_ns for path in (out / "a.png", out / "b.png", out / "plate1/a.png")}
    time.sleep(0.01)
    assert predict(saved, images).exit_code == 0
    after = {path: path.stat().st_mtime_ns for path in before}
    assert [path.name for path in before if before[path] != after[path]] == ["a.png"]  # of plate1
    assert before[out / "a.png"] == after[out / "a.png"]
    # What is gone from the images is moved aside, not deleted.
    (images / "b.jpg").unlink()
    again = predict(saved, images, "--force")
    assert again.exit_code == 0, again.output
    assert "b.png" in again.stderr
    assert not (out / "b.png").exists()
    assert [path.name for path in out.glob("earlier/*/*")] == ["b.png"]
    assert len((out / "index.csv").read_text().splitlines()) == 3


def test_files_of_others_stay(saved: Path, images: Path) -> None:
    out = images.parent / "out"
    out.mkdir()
    (out / "a.png").write_text("mine")
    refused = predict(saved, images)
    assert refused.exit_code == 2
    assert "(a.png)" in refused.stderr
    assert [path.name for path in out.iterdir()] == ["a.png"]
    assert (out / "a.png").read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda images: shutil.rmtree(images), "no such folder"),
        (lambda images: [path.unlink() for path in images.rglob("*.*")], "no images found"),
        (lambda images: (images.parent / "out").write_text(""), "cannot be written in"),
    ],
)
def test_what_cannot_be_done_is_said(saved: Path, images: Path, change, text: str) -> None:  # type: ignore[no-untyped-def]
    change(images)
    done = predict(saved, images)
    assert done.exit_code == 2
    assert text in done.stderr


def test_the_folder_of_the_images_takes_no_masks(saved: Path, images: Path) -> None:
    where = ["--model", str(saved), "--images", str(images), "--out", str(images), "--force"]
    done = CliRunner().invoke(app.app, ["predict", *where])
    assert done.exit_code == 2
    assert "expected two folders" in done.stderr


def test_tiff_objects_and_coco_hold_the_same_masks(saved: Path, images: Path) -> None:
    (images / "damaged.png").unlink()
    truth = expected(saved, images / "a.png")
    out = images.parent / "out"
    assert predict(saved, images, "--format", "tiff").exit_code == 0
    assert (tifffile.imread(out / "a.tif") == truth).all()
    assert predict(saved, images, "--format", "objects", "--force").exit_code == 0
    assert not (out / "a.tif").exists()
    numbers = np.asarray(Image.open(out / "a.png"))
    objects = [row for row in csv.DictReader((out / "objects.csv").open()) if row["mask"] == "a.png"]
    classes = np.array([0, *(int(row["class"]) for row in objects)])
    assert numbers.dtype == np.uint16
    assert (classes[numbers] == truth).all()
    assert [int(row["pixels"]) for row in objects] == np.bincount(numbers.ravel())[1:].tolist()
    assert predict(saved, images, "--format", "coco", "--force").exit_code == 0
    coco = COCO(str(out / "annotations/instances_predicted.json"))
    assert sorted(image["file_name"] for image in coco.imgs.values()) == ["a.png", "b.jpg", "plate1/a.tif"]
    (number,) = (i for i, image in coco.imgs.items() if image["file_name"] == "a.png")
    drawn = np.zeros_like(truth)
    for annotation in coco.loadAnns(coco.getAnnIds(imgIds=number)):
        drawn[coco.annToMask(annotation) > 0] = annotation["category_id"]
    assert (drawn == truth).all()
    assert json.loads((out / "annotations/instances_predicted.json").read_text())["categories"] == [
        {"id": 1, "name": "axon"},
        {"id": 2, "name": "nucleus"},
    ]


@pytest.mark.parametrize("closed", [".", "model.json", "weights.safetensors"])
def test_a_model_that_cannot_be_opened_is_said(saved: Path, images: Path, closed: str) -> None:
    """It is neither damaged nor missing, and need not be trained again."""
    model = shutil.copytree(saved, images.parent / "model")
    (model / closed).chmod(0o000)
    with of_a_user():
        done = predict(model, images)
    (model / closed).chmod(0o755)
    assert done.exit_code == 2
    assert "cannot be opened (Permission denied)" in done.stderr
    assert "Train again" not in done.stderr
