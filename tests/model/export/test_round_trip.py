"""What is exported is read again as it was, without anybody saying what the numbers mean."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from model.arrays import Mask
from model.data.pool import scan
from model.errors import OutputError
from model.export.folder import ExportFolder
from model.export.formats import encode_image, encode_mask
from model.export.mask_format import MaskFormat

LABELS = ("axon", "nucleus", "vessel")
ABOUT = {"what": "a test"}


def blocks(*numbers: int) -> Mask:
    """A mask of one square piece of each class in turn, as objects would be numbered."""
    mask = np.zeros((48, 64), np.uint8)
    for place, number in enumerate(numbers):
        mask[8:24, 4 + 16 * place : 14 + 16 * place] = number
    return mask


MASKS = {"a": blocks(1), "b": blocks(1, 2), "c": blocks(2, 1, 1)}


def export(path: Path, mask_format: MaskFormat) -> None:
    random = np.random.default_rng(0)
    with ExportFolder(path, ABOUT, LABELS, mask_format) as folder:
        for key, mask in MASKS.items():
            picture = random.integers(0, 255, mask.shape, dtype=np.uint8)
            image = encode_image(encode_mask(picture, MaskFormat.PNG), f"{key}.png")
            folder.add(key, key, mask, fingerprint="1", folder="masks", row={}, image=image)
        image = encode_image(encode_mask(picture, MaskFormat.PNG), "d.png")
        folder.add("d", "d", None, fingerprint="1", folder="", row={}, image=image)
        folder.finish()


@pytest.mark.parametrize("mask_format", [MaskFormat.PNG, MaskFormat.TIFF])
def test_class_ids(tmp_path: Path, mask_format: MaskFormat) -> None:
    """Although each number is one piece, as those of objects are, and one class is in no mask."""
    export(tmp_path, mask_format)
    pool = scan(tmp_path / "images", tmp_path / "masks")
    assert (pool.classes, pool.unlabelled) == (4, ("d.png",))
    assert not pool.problems
    for key, mask in MASKS.items():
        assert (pool.labels[f"{key}.png"] == mask).all()


def test_numbered_objects(tmp_path: Path) -> None:
    """Of whatever class, they are one for the science, which learns classes."""
    export(tmp_path, MaskFormat.OBJECTS)
    pool = scan(tmp_path / "images", tmp_path / "masks")
    assert pool.classes == 2
    for key, mask in MASKS.items():
        assert (pool.labels[f"{key}.png"] == (mask > 0)).all()


def test_two_commands_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with ExportFolder(tmp_path, ABOUT, LABELS):
        with pytest.raises(OutputError, match="another command is writing"):
            ExportFolder(tmp_path, ABOUT, LABELS).__enter__()
        assert (tmp_path / ".export.jsonl").exists()


def test_a_full_disk_is_told_and_what_is_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = MASKS["a"]
    with ExportFolder(tmp_path, ABOUT, LABELS, chosen={"version": "v1"}) as folder:
        folder.add("a", "a", mask, fingerprint="1", folder="masks", row={})
        with monkeypatch.context() as full:
            full.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "disk full")))
            with pytest.raises(OutputError, match="disk full"):
                folder.add("b", "b", mask, fingerprint="1", folder="masks", row={})
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["a.png"]
    with ExportFolder(tmp_path, ABOUT, LABELS, chosen={"version": "v2"}) as folder:
        assert (folder.resumed, folder.chosen("version")) == (1, "v1")  # not the masks of two models
        assert folder.is_done("a", "1")
        assert not folder.is_done("b", "1")
