"""What lies in an export's folder is not overwritten unasked."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from model.errors import OutputError
from model.export.folder import ExportFolder

MASK = np.eye(8, dtype=np.uint8)
ABOUT = {"what": "a project"}


def add(folder: ExportFolder, stem: str) -> None:
    folder.add(stem, stem, MASK, fingerprint="a", folder="masks", row={})


def begin(path: Path, version: str) -> None:
    """An export that is cut off after its first mask."""
    with ExportFolder(path, ABOUT, ["Cell"], chosen={"version": version}) as folder:
        add(folder, "one")


def test_a_resumed_export_goes_on_with_what_it_chose_unless_it_is_forced(tmp_path: Path) -> None:
    begin(tmp_path, "v3")
    with ExportFolder(tmp_path, ABOUT, ["Cell"], chosen={"version": "v9"}) as folder:
        assert (folder.chosen("version"), folder.resumed) == ("v3", 1)
    with ExportFolder(tmp_path, ABOUT, ["Cell"], chosen={"version": "v9"}, force=True) as folder:
        assert (folder.chosen("version"), folder.resumed) == ("v9", 0)


def test_a_file_that_somebody_put_there_meanwhile_is_moved_aside(tmp_path: Path) -> None:
    """Between a kill and the same command again."""
    begin(tmp_path, "v3")
    (tmp_path / "masks" / "two.png").write_bytes(b"mine")
    with ExportFolder(tmp_path, ABOUT, ["Cell"], chosen={"version": "v3"}) as folder:
        add(folder, "one")
        add(folder, "two")
        folder.finish()
    assert [path.read_bytes() for path in (tmp_path / "earlier").rglob("two.png")] == [b"mine"]
    assert (tmp_path / "masks" / "two.png").read_bytes() == (tmp_path / "masks" / "one.png").read_bytes()
    with pytest.raises(OutputError, match="finished export"):
        begin(tmp_path, "v3")


def test_what_is_told_of_an_image_that_is_done_already_is_of_now(tmp_path: Path) -> None:
    """An order since has other expected dice; the mask and the rest of the line stay."""
    with ExportFolder(tmp_path, ABOUT, ["Cell"]) as folder:
        row = {"source": "prediction", "expected_dice": "0.5000"}
        folder.add("one", "one", MASK, fingerprint="a", folder="predicted", row=row)
    with ExportFolder(tmp_path, ABOUT, ["Cell"]) as folder:
        assert folder.is_done("one", "a", row | {"expected_dice": "0.7000"})
        folder.finish()
    [line] = csv.DictReader((tmp_path / "index.csv").open())
    told = {"file": "one", "source": "prediction", "expected_dice": "0.7000", "mask": "predicted/one.png"}
    assert {name: value for name, value in line.items() if value} == told


def test_a_kill_while_an_export_begins_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that its files are still known as its own, and the same command works again."""
    begin(tmp_path, "v3")
    with monkeypatch.context() as killed:
        killed.setattr("os.fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ExportFolder(tmp_path, ABOUT, ["Cell"], chosen={"version": "v9"}, force=True).__enter__()
    (tmp_path / ".export.jsonl-half").write_bytes(b"{")  # what a kill leaves of a file that never was whole
    with ExportFolder(tmp_path, ABOUT, ["Cell"], chosen={"version": "v9"}) as folder:
        assert (folder.chosen("version"), folder.resumed) == ("v3", 1)
