"""Files that appear whole or not at all."""

import os
from pathlib import Path

import pytest

from model.files import write_atomically, write_bytes


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the former file stays whole, and no leavings lie beside it."""
    path = tmp_path / "results.json"
    write_bytes(path, b"old")

    def full(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), write_atomically(tmp_path / "new" / "file") as file:  # noqa: PT012
        file.write(b"half")
        raise RuntimeError
    assert list((tmp_path / "new").iterdir()) == []
