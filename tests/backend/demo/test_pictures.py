"""The demo takes generated pictures or a lab's own folders."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from backend.demo import pictures
from backend.demo.project import label_config
from backend.errors import SettingsError
from backend.labelstudio.labels.config import parse
from tests.model.data.lab_files import discs, picture, save


def test_generated_ones_stay(tmp_path: Path) -> None:
    """A second run has the same files and does not make them again."""
    first = pictures.generated(tmp_path, tmp_path / "files", 5, 64, 0)
    times = {path: path.stat().st_mtime_ns for path in first.files.values()}
    second = pictures.generated(tmp_path, tmp_path / "files", 5, 64, 0)
    assert second.files == first.files
    assert {path: path.stat().st_mtime_ns for path in second.files.values()} == times
    assert first.labels == ("Axon",)
    assert len(set(first.first(3, 0))) == 3
    assert first.first(3, 0) == second.first(3, 0)


def test_own_folders(tmp_path: Path) -> None:
    """TIFF becomes PNG for the page, an unusable file is named, images without masks are unlabelled, three
    classes get three names."""
    random = np.random.default_rng(0)
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    masks.mkdir()
    for name in ("a", "b", "c"):
        Image.fromarray(random.integers(0, 255, (48, 40), np.uint8)).save(images / f"{name}.png")
    tifffile.imwrite(images / "d.tif", random.integers(0, 60000, (48, 40)).astype(np.uint16))
    (images / "e.png").write_bytes(b"no image")
    for name in ("a", "d"):
        mask = np.zeros((48, 40), np.uint8)
        mask[:9], mask[20:30] = 1, 2
        Image.fromarray(mask).save(masks / f"{name}.png")
    own = pictures.from_folders(images, masks, tmp_path / "files")
    assert sorted(own.files) == ["a.png", "b.png", "c.png", "d.tif"]
    with Image.open(own.files["d.tif"]) as shown:
        assert (shown.format, shown.mode, shown.size) == ("PNG", "L", (40, 48))
    assert sorted(own.first(3, 0)) == ["a.png", "d.tif"]
    assert own.labels == ("Class 1", "Class 2")
    assert len(own.problems) == 1
    assert "e.png" in own.problems[0]


def test_sub_folders_are_served_side_by_side_and_numbered_objects_are_one_label(tmp_path: Path) -> None:
    """Two images of one name stay two, and what was taken for granted is said."""
    masks = [discs(seed, count) for seed, count in enumerate([3, 5])]
    for plate, mask in zip(("p1", "p2"), masks, strict=True):
        save(tmp_path / "images" / plate / "a.png", picture(mask))
        save(tmp_path / "masks" / plate / "a.png", mask.astype(np.uint8))
    own = pictures.from_folders(tmp_path / "images", tmp_path / "masks", tmp_path / "files")
    assert {name: path.name for name, path in own.files.items()} == {
        "p1/a.png": "p1__a.png",
        "p2/a.png": "p2__a.png",
    }
    assert len({path.parent for path in own.files.values()}) == 1
    assert own.labels == ("Foreground",)
    assert any("number their objects" in note for note in own.notes)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    """The message tells which variable to fix."""
    (tmp_path / "none").mkdir()
    with pytest.raises(SettingsError, match="DEMO_IMAGES"):
        pictures.from_folders(tmp_path / "none", None, tmp_path / "files")


def test_the_configuration_is_usable() -> None:
    """Names with special characters too; class ids follow the order."""
    config = parse(label_config(["Axon", 'a "b" <c>']))
    assert config.labels == ("Axon", 'a "b" <c>')
