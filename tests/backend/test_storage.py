"""The storage of one machine, and of two that share only an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import StorageError
from backend.storage import Storage


@pytest.fixture(params=["file", "memory"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Storage, Storage]:
    """Two machines with folders of their own and a shared place."""
    url = f"file://{tmp_path}/shared" if request.param == "file" else f"memory://{tmp_path.name}"
    return Storage(tmp_path / "a", url), Storage(tmp_path / "b", url)


def test_what_one_puts_the_other_gets(pair: tuple[Storage, Storage]) -> None:
    """Files, folders with sub-folders, and lists of names; half-written files stay at home."""
    one, two = pair
    (one.path("p/v1/deep")).mkdir(parents=True)
    for name in ("p/v1/a.bin", "p/v1/deep/b.bin", "p/v1/.half"):
        one.path(name).write_bytes(name.encode())
    one.put("p/v1")
    assert two.names("p") == ["v1"]
    folder = two.get_folder("p/v1")
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {"a.bin", "deep/b.bin"}
    assert (folder / "deep/b.bin").read_bytes() == b"p/v1/deep/b.bin"
    assert two.names("nothing") == []
    assert not two.get("p/none").exists()


def test_pointers_are_read_fresh(pair: tuple[Storage, Storage]) -> None:
    """A local copy of what changes is not believed."""
    one, two = pair
    one.write_json("p/current.json", {"version": "v1"})
    assert two.read_json("p/current.json") == {"version": "v1"}
    one.write_json("p/current.json", {"version": "v2"})
    assert two.read_json("p/current.json", fresh=True) == {"version": "v2"}


def test_removed_is_removed_everywhere(pair: tuple[Storage, Storage]) -> None:
    """And removing twice is no error."""
    one, two = pair
    one.write_json("p/x/y.json", {})
    for _ in range(2):
        one.remove("p/x")
    assert two.read_json("p/x/y.json") is None
    one.check()


def test_one_machine_needs_no_shared_place(tmp_path: Path) -> None:
    """Nothing is copied, and the same folder as address is the same."""
    for url in (None, f"file://{tmp_path}"):
        storage = Storage(tmp_path, url)
        storage.write_json("a.json", {"x": 1})
        assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
        assert storage.names("") == ["a.json"]
        storage.check()


def test_damaged_and_unreachable_are_explained(tmp_path: Path) -> None:
    """What was found and what to do."""
    storage = Storage(tmp_path)
    storage.path("a.json").write_text("{")
    with pytest.raises(StorageError, match=r"a\.json cannot be read"):
        storage.read_json("a.json")
    storage.path("a.json").write_text("[]")
    with pytest.raises(StorageError, match="no JSON object"):
        storage.read_json("a.json")
    with pytest.raises(StorageError, match="STORAGE_URL nonsense://x"):
        Storage(tmp_path, "nonsense://x")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="failed"):
        Storage(tmp_path / "local", f"file://{tmp_path}/file").write_json("a.json", {})
