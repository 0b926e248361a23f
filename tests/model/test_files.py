"""Files that appear whole or not at all."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model.errors import OutputError
from model.files import only_writer, write_atomically, write_bytes
from tests.model.rights import of_a_user


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


@pytest.mark.parametrize("name", ["a" * 251 + ".png", "\N{GRINNING FACE}" * 62 + ".png"])
def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path: Path, name: str) -> None:
    write_bytes(tmp_path / name, b"all of it")
    assert (tmp_path / name).read_bytes() == b"all of it"


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    """As a device would."""
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor() as pool:
        read = pool.submit((tmp_path / "pipe").read_bytes)
        write_bytes(tmp_path / "pipe", b"table")
        assert read.result(10) == b"table"
    assert (tmp_path / "pipe").is_fifo()


def test_a_writer_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), write_atomically(tmp_path / "new" / "file") as file:  # noqa: PT012
        file.write(b"half")
        raise RuntimeError
    assert list((tmp_path / "new").iterdir()) == []


def test_a_file_has_one_writer_at_a_time(tmp_path: Path) -> None:
    """Whoever ends, however, lets others write; another file in the folder is free."""
    path = tmp_path / "results.json"
    with only_writer(path):
        with pytest.raises(OutputError, match=r"results\.json: found another run .*--out"), only_writer(path):
            pass
        with only_writer(tmp_path / "transfer.json"):
            pass
    with pytest.raises(RuntimeError), only_writer(path):
        raise RuntimeError
    os.chown(tmp_path / ".results.json.lock", 1, 1)  # of a colleague who ran first
    with of_a_user(), only_writer(path):
        pass
