"""The storage of one machine, and of two that share only an address."""

from __future__ import annotations

import errno
import threading
import tracemalloc
from pathlib import Path

import pytest
from rq.exceptions import StopRequested
from rq.timeouts import JobTimeoutException

from backend.errors import StorageAwayError, StorageError
from backend.store.storage import Storage
from tests.object_store import BUCKET, ObjectStore, forget_keys


@pytest.fixture
def bucket(object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty folder in a bucket that this process may use."""
    object_store.use(monkeypatch)
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture(params=["file", "memory", "s3"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Storage, Storage]:
    """Two machines with folders of their own and a shared place."""
    if request.param == "s3":
        url = request.getfixturevalue("bucket")
    else:
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
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "a.bin",
        "deep/b.bin",
    }
    assert (folder / "deep/b.bin").read_bytes() == b"p/v1/deep/b.bin"
    one.path("p/row.json").write_bytes(b"{}")
    one.put("p/row.json")
    assert two.get_folder("p/row.json").read_bytes() == b"{}"
    assert two.names("nothing") == []
    assert not two.get("p/none").exists()


def test_a_large_file_is_fetched_in_pieces(tmp_path: Path) -> None:
    """The web process fetches zip files of whole projects."""
    one, two = (Storage(tmp_path / machine, f"file://{tmp_path}/shared") for machine in "ab")
    one.path("p").mkdir(parents=True)
    one.path("p/masks.zip").write_bytes(bytes(50_000_000))
    one.put("p/masks.zip")
    tracemalloc.start()
    path = two.get("p/masks.zip")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size == 50_000_000
    assert peak < 10_000_000
    assert [each.name for each in path.parent.iterdir()] == ["masks.zip"]


def test_a_folder_that_is_moved_away_while_files_are_listed(tmp_path: Path) -> None:
    """A training gives its version a name while a page lists the versions: the page shows what is there."""
    storage = Storage(tmp_path)
    for number in range(10):
        (tmp_path / "versions" / f"v{number}").mkdir(parents=True)
        (tmp_path / "versions" / f"v{number}" / "model.json").touch()
    ended = threading.Event()

    def move() -> None:
        while not ended.is_set():
            for here, there in (("v5", ".v5"), (".v5", "v5")):
                (tmp_path / "versions" / here).rename(tmp_path / "versions" / there)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        for _ in range(300):
            assert 9 <= len(storage.files("versions")) <= 10
    finally:
        ended.set()
        mover.join()


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


def test_what_was_written_first_goes_first(pair: tuple[Storage, Storage]) -> None:
    """From the shared place alone, until the rest fits."""
    one, two = pair
    for name in "abc":
        one.path(f"p/{name}").parent.mkdir(exist_ok=True, parents=True)
        one.path(f"p/{name}").write_bytes(bytes(100))
        one.put(f"p/{name}")
    one.trim("nothing", 0)
    one.trim("p", 300)
    assert two.names("p") == ["a", "b", "c"]
    one.trim("p", 150)
    assert two.names("p") == ["c"]
    assert one.path("p/a").exists()


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


def test_what_moves_in_is_whole_in_both_places(pair: tuple[Storage, Storage]) -> None:
    """A folder written under another name; the one that comes last is what others look for."""
    one, two = pair
    beside = one.path("p/.v1")
    (beside / "deep").mkdir(parents=True)
    for name in ("a.json", "deep/z.bin"):
        (beside / name).write_text(name)
    one.move_in(beside, "p/v1", last="a.json")
    assert not beside.exists()
    assert one.files("p") == two.files("p") == ["p/v1/a.json", "p/v1/deep/z.bin"]
    assert two.get("p/v1/deep/z.bin").read_text() == "deep/z.bin"


def test_what_is_missing_there_is_given(pair: tuple[Storage, Storage]) -> None:
    """After a failure, or when a second machine joins the first; nothing is given twice."""
    one, two = pair
    one.write_json("p/a.json", {})
    one.path("p/b.json").write_text('{"b": 1}')
    assert (one.put_missing("p"), one.put_missing("p")) == (1, 0)
    assert two.read_json("p/b.json") == {"b": 1}


def test_a_shared_place_that_is_away_loses_nothing(
    object_store: ObjectStore, bucket: str, tmp_path: Path
) -> None:
    """What could not be given to it is not seen here either, the pointer that was there stays, and later it
    works again."""
    one, two = Storage(tmp_path / "a", bucket), Storage(tmp_path / "b", bucket)
    one.write_json("p/current.json", {"version": "v1"})
    with object_store.away():
        with pytest.raises(StorageError, match=r"s3://.*Could not connect.*check"):
            one.write_json("p/current.json", {"version": "v2"})
        with pytest.raises(StorageError, match="Could not connect"):
            two.read_json("p/current.json", fresh=True)
    assert [path.name for path in one.path("p").iterdir()] == ["current.json"]
    assert one.read_json("p/current.json") == two.read_json("p/current.json", fresh=True) == {"version": "v1"}
    one.write_json("p/current.json", {"version": "v2"})
    assert two.read_json("p/current.json", fresh=True) == {"version": "v2"}


def test_wrong_keys_and_buckets_are_explained(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made under a misspelt name, and the key is not told."""
    object_store.use(monkeypatch)
    with pytest.raises(StorageError, match=r"s3://model/x: a\.json failed \(PermissionError"):
        Storage(tmp_path / "a", "s3://model/x").write_json("a.json", {})
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        object_store.use(monkeypatch, **{variable: "mistyped"})
        storage = Storage(tmp_path / "a", f"s3://{BUCKET}/{tmp_path.name}")
        for act in (lambda storage=storage: storage.names("p"), storage.check):
            with pytest.raises(StorageError, match=r"PermissionError.*STORAGE_URL.*keys") as caught:
                act()
            assert object_store.secret not in str(caught.value)
    assert not list((tmp_path / "a").rglob("*.json"))


def test_what_does_not_pass_by_itself_is_no_storage_that_is_away(
    object_store: ObjectStore, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that waits for it holds its worker for hours."""
    storage = Storage(tmp_path / "a", bucket)
    with object_store.away(), pytest.raises(StorageAwayError):
        storage.names("p")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    forget_keys()
    with pytest.raises(StorageError) as caught:
        Storage(tmp_path / "a", bucket).names("p")
    assert not isinstance(caught.value, StorageAwayError)


@pytest.mark.parametrize("error", [StopRequested, JobTimeoutException])
def test_what_ends_a_program_is_no_error_of_the_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """A signal, or the end of a job's time, in the midst of its work."""

    def interrupted(*_: object, **__: object) -> None:
        raise error

    storage = Storage(tmp_path / "a", "memory://interrupted")
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.ls", interrupted)
    with pytest.raises(error):
        storage.names("p")


def test_a_full_disk_of_this_machine_is_not_blamed_on_the_shared_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (Storage(tmp_path / machine, f"file://{tmp_path}/shared") for machine in "ab")
    one.write_json("p/current.json", {})

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for where in ("fsspec.implementations.local.LocalFileSystem.get_file", "model.files.tempfile.mkstemp"):
        with monkeypatch.context() as patched:
            patched.setattr(where, full)
            with pytest.raises(StorageError, match="MODEL_DIR") as caught:
                two.read_json("p/current.json", fresh=True)
            assert "STORAGE_URL" not in str(caught.value)
    assert two.read_json("p/current.json", fresh=True) == {}
