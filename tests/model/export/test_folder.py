"""What lies in an export's folder is not overwritten unasked."""

from __future__ import annotations

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
