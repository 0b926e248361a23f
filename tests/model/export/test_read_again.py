"""What predict or an export has written, given as images or as masks: never drawn masks as images, nor the
model's as labels, without a word."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.demo.pictures import from_folders
from model.data.folders import find_files
from model.data.pool import scan
from model.errors import PoolError
from model.export.folder import ExportFolder
from tests.model.data.noise import noise, put_image

MASK = np.zeros((40, 48), np.uint8)
MASK[10:20, 10:20] = 1


def picture() -> tuple[str, bytes]:
    stream = io.BytesIO()
    Image.fromarray(noise(40, 48)).save(stream, "PNG")
    return ".png", stream.getvalue()


def export(root: Path, labelled: list[str], predicted: list[str]) -> Path:
    """A whole export, as the service writes it."""
    with ExportFolder(root, {"what": "a project"}, ["cell"]) as folder:
        for stem in [*labelled, *predicted]:
            where = "masks" if stem in labelled else "predicted"
            folder.add(stem, stem, MASK, fingerprint="a", folder=where, row={}, image=picture())
        folder.finish()
    return root


def predict(out: Path, stems: list[str]) -> Path:
    """What predict writes."""
    with ExportFolder(out, {"what": "masks"}, ["cell"]) as folder:
        for stem in stems:
            folder.add(stem, stem, MASK, fingerprint="a", folder="", row={})
        folder.finish()
    return out


def test_masks_that_predict_has_written_among_the_images_are_passed_over(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        put_image(tmp_path / "images", name)
    predict(tmp_path / "images" / "drawn", ["a", "b"])
    export(tmp_path / "images" / "exported", ["a"], ["b"])
    pool = scan(tmp_path / "images")
    assert pool.ids == ("a.png", "b.png")
    assert any("Passed over drawn, exported" in note for note in pool.notes)
    for name in pool.ids:
        (tmp_path / "images" / name).unlink()
    with pytest.raises(PoolError, match=r"only what predict or an export has written \(drawn, exported\)"):
        scan(tmp_path / "images")


def test_of_a_whole_export_the_labels_are_read_and_the_predictions_are_none(tmp_path: Path) -> None:
    root = export(tmp_path / "export", ["a", "b"], ["c", "d"])
    pool = scan(root, root)
    assert (pool.ids, pool.labelled) == (("a.png", "b.png", "c.png", "d.png"), ("a.png", "b.png"))
    assert f"{root} is a whole export: its sub-folder masks is read." in pool.notes
    assert f"{root} is a whole export: its sub-folder images is read." in pool.notes
    assert any("classes.json" in note for note in pool.notes)
    assert scan(root / "images", root / "predicted").labelled == ("c.png", "d.png")  # as it was asked for


def test_an_export_without_labels_is_refused_as_masks(tmp_path: Path) -> None:
    root = export(tmp_path / "export", [], ["a", "b"])
    with pytest.raises(PoolError, match=r"without masks that people have drawn"):
        scan(root / "images", root)


def test_an_export_in_cocos_format_is_told_apart(tmp_path: Path) -> None:
    """People have drawn what it holds, though not as masks."""
    root = export(tmp_path / "export", [], ["a"])
    (root / "annotations").mkdir()
    with pytest.raises(PoolError, match=r"COCO's format.*--format png"):
        scan(root / "images", root)


def test_a_whole_export_shows_its_own_images_in_the_demo(tmp_path: Path) -> None:
    """Whose files lie in a sub-folder of what was given."""
    root = export(tmp_path / "export", ["a", "b"], ["c"])
    own = from_folders(root, root, tmp_path / "files")
    assert sorted(own.files) == ["a.png", "b.png", "c.png"]
    assert all(path.read_bytes() == picture()[1] for path in own.files.values())


def test_an_image_may_lie_in_a_folder_called_earlier(tmp_path: Path) -> None:
    """Its mask is found again in what predict has written; masks of former exports are not."""
    for name in ("earlier/a.png", "b.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(40, 48)).save(tmp_path / "images" / name)
    out = predict(tmp_path / "out", ["earlier/a", "b", "gone"])
    with ExportFolder(out, {"what": "masks"}, ["cell"], force=True) as folder:
        for stem in ("earlier/a", "b"):
            folder.add(stem, stem, MASK, fingerprint="a", folder="", row={})
        assert folder.finish() == ["gone.png"]
    assert scan(tmp_path / "images", out).labelled == ("b.png", "earlier/a.png")
    assert sorted(find_files(out, "masks").by_stem) == ["b", "earlier/a"]
