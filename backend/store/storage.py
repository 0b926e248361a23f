"""Where models and rounds are kept:
a folder of this machine, and beside it a place that several machines share (fsspec).

Without STORAGE_URL the folder is all there is (machines may share it as a network drive) and nothing is ever
copied.
With it, what is written goes there first and only then appears here under its name, so that what is seen here
is there too, whatever fails in between; what is read is fetched from there. Names are relative, with slashes:
"projects/1/current.json".
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
from rq.exceptions import StopRequested
from rq.timeouts import BaseTimeoutException

from backend.errors import BackendError, StorageAwayError, StorageError
from backend.settings import Settings, masked_url
from model.files import write_atomically

_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})
"""They have no folders: making one would at most make a bucket, of a misspelt name perhaps."""


class Storage:
    """Files and folders by relative name; `get` before reading, `move_in` or `put` after writing."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        """`folder` is this machine's;
        `url` the shared place, None if the folder itself is shared or there is one machine."""
        self.folder = folder.resolve()
        self._url = url
        self._fs: Any = None
        self._root = ""
        if url is not None:
            try:
                self._fs, root = fsspec.core.url_to_fs(url)
            except (ImportError, ValueError) as error:
                raise StorageError(
                    f"STORAGE_URL {masked_url(url)}: {error}. Install the package that fsspec names, or"
                    " correct it."
                ) from error
            self._root = str(root).rstrip("/")
            self._in_parts = "file" in self._protocols  # an upload there can be seen half-done
            if self._in_parts and Path(self._root).resolve() == self.folder:
                self._fs = None

    @classmethod
    def of(cls, settings: Settings) -> Storage:
        """The storage that the settings name."""
        return cls(settings.model_dir, settings.storage_url)

    @property
    def _protocols(self) -> tuple[str, ...]:
        protocol = self._fs.protocol
        return (protocol,) if isinstance(protocol, str) else tuple(protocol)

    @property
    def is_shared(self) -> bool:
        """Whether there is a place beside this machine's folder."""
        return self._fs is not None

    def path(self, name: str) -> Path:
        """The local path of a name, whether or not it exists."""
        return self.folder / name

    def get(self, name: str, *, fresh: bool = False) -> Path:
        """Fetch a file if it is not here, or (`fresh`) always, because it changes;
        returns its local path, which may not exist."""
        path = self.path(name)
        if self._fs is None or (path.exists() and not fresh):
            return path
        try:
            missing = contextlib.suppress(FileNotFoundError)
            with missing, write_atomically(path) as file, self._explained(name, fetched=True):
                self._fs.get_file(f"{self._root}/{name}", file.name)  # in pieces: some are of gigabytes
        except OSError as error:
            raise StorageError(
                f"{path} cannot be written ({error}); check MODEL_DIR: its disk may be full or read-only."
            ) from error
        return path

    def get_folder(self, name: str) -> Path:
        """Fetch the files of a folder, sub-folders included, or a single file, as far as they are not here;
        returns its local path, which may not exist."""
        for file in self._shared_files(name):
            self.get(file)
        return self.path(name)

    def move_in(self, path: Path, name: str, *, last: str = "") -> None:
        """Give a finished local file or folder a name, in the shared place first;
        a folder's file `last`, which makes it whole, at its end.

        If the shared place fails, `path` stays as it is and nothing has that name.
        """
        if self._fs is not None:
            with self._explained(name):
                for file in sorted(_files(path), key=lambda file: (file.name == last, file)):
                    inside = file.relative_to(path).as_posix()
                    self._upload(
                        file, f"{self._root}/{name}" if path.is_file() else f"{self._root}/{name}/{inside}"
                    )
        target = self.path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)

    def put(self, name: str) -> None:
        """Give a local file, or every file of a local folder, to the shared place."""
        if self._fs is None:
            return
        with self._explained(name):
            for file in _files(self.path(name)):
                self._upload(file, f"{self._root}/{file.relative_to(self.folder).as_posix()}")

    def put_missing(self, name: str) -> int:
        """Give those files of a local folder, which never change, to the shared place that are not there;
        tells how many there were."""
        if self._fs is None:
            return 0
        there = self._shared_files(name)
        here = {file.relative_to(self.folder).as_posix(): file for file in _files(self.path(name))}
        missing = [relative for relative in here if relative not in there]
        with self._explained(name):
            for relative in missing:
                self._upload(here[relative], f"{self._root}/{relative}")
        return len(missing)

    def files(self, name: str) -> list[str]:
        """The names of all files below a folder, ascending, wherever they are;
        none that are being written."""
        return sorted(
            self._shared_files(name)
            | {file.relative_to(self.folder).as_posix() for file in _files(self.path(name))}
        )

    def _shared_files(self, name: str) -> set[str]:
        if self._fs is None:
            return set()
        with self._explained(name):
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(f"{self._root}/{name}")
            except FileNotFoundError:
                return set()
        names = (str(remote).removeprefix(self._root).lstrip("/") for remote in found)
        return {relative for relative in names if not _hidden(relative)}

    def _upload(self, file: Path, remote: str) -> None:
        if not _OBJECT_STORES & set(self._protocols):
            self._fs.makedirs(remote.rsplit("/", 1)[0], exist_ok=True)
        if not self._in_parts:
            self._fs.put_file(str(file), remote)  # object stores show an object whole or not at all
            return
        folder, _, last = remote.rpartition("/")
        beside = f"{folder}/.{last}-{uuid.uuid4().hex}"
        self._fs.put_file(str(file), beside)
        Path(beside).replace(remote)

    def names(self, name: str) -> list[str]:
        """The names directly inside a folder, ascending; empty when there is none.
        Half-written ones are not seen."""
        found: set[str] = set()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found |= {entry.name for entry in self.path(name).iterdir()}
        if self._fs is not None:
            with self._explained(name):
                self._fs.invalidate_cache()
                with contextlib.suppress(FileNotFoundError):
                    found |= {
                        str(entry).rstrip("/").rsplit("/", 1)[1]
                        for entry in self._fs.ls(f"{self._root}/{name}", detail=False)
                    }
        return sorted(entry for entry in found if not entry.startswith("."))

    def remove(self, name: str) -> None:
        """Delete a file or folder, here and there; no error when it is not there."""
        path = self.path(name)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        if self._fs is not None:
            with self._explained(name), contextlib.suppress(FileNotFoundError):
                self._fs.rm(f"{self._root}/{name}", recursive=True)

    def trim(self, name: str, limit: int) -> None:
        """Remove the files of a folder of the shared place that were written first, until it takes at most
        `limit` bytes."""
        if self._fs is None:
            return
        with self._explained(name):
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(f"{self._root}/{name}", detail=True)
            except FileNotFoundError:
                return
            used = sum(int(file["size"]) for file in found.values())
            for remote, file in sorted(found.items(), key=lambda item: _written(item[1])):
                if used <= limit:
                    break
                with contextlib.suppress(FileNotFoundError):  # another machine was first
                    self._fs.rm(remote)
                used -= int(file["size"])

    def read_json(self, name: str, *, fresh: bool = False) -> dict[str, Any] | None:
        """The JSON object in a file, None when there is none. Raises StorageError when it is damaged."""
        path = self.get(name, fresh=fresh)
        try:
            content = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StorageError(
                f"{path} cannot be read ({error}); restore it from a backup, or move it to another place."
            ) from error
        if not isinstance(content, dict):
            raise StorageError(
                f"{path} holds no JSON object; restore it from a backup, or move it to another place."
            )
        return content

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON object, whole or not at all, there and then here."""
        path = self.path(name)
        beside = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
        try:
            with write_atomically(beside) as file:
                file.write(json.dumps(content, indent=1).encode())
            self.move_in(beside, name)
        finally:
            beside.unlink(missing_ok=True)

    def check(self) -> None:
        """Raise StorageError unless files can be written here and there."""
        name = f"check-{uuid.uuid4().hex}.json"
        try:
            self.write_json(name, {"check": True})
            if self._fs is not None:
                self.path(name).unlink()
            if self.read_json(name) != {"check": True}:
                raise StorageError(
                    f"A file written to {self} is not found there again; check its permissions."
                )
        except OSError as error:
            raise StorageError(
                f"MODEL_DIR {self.folder} cannot be written ({error}); choose another folder, or fix its"
                " permissions."
            ) from error
        finally:
            self.remove(name)

    def __str__(self) -> str:
        return masked_url(self._url) if self._fs is not None and self._url else str(self.folder)

    def _explained(self, name: str, *, fetched: bool = False) -> _Explained:
        return _Explained(f"{self}: {name}", fetched)


_OF_THIS_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Of a disk that is written to: while something is fetched, that is this machine's."""
_NOT_OF_STORAGE = (BackendError, BaseTimeoutException, StopRequested)
"""Errors of others that come in the midst of its work: a job's end, a signal."""
_AWAY = {"ConnectionError", "TimeoutError", "HTTPClientError", "ClientConnectionError"}
"""Errors of Python, botocore, aiohttp and requests for a server that does not answer; by their names, as not
every storage loads these libraries."""
_AWAY_NUMBERS = {
    *(errno.EIO, errno.EBUSY, errno.ETIMEDOUT, errno.EREMOTEIO, errno.ESTALE),
    *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN),
}
"""Also of servers that are overloaded, and of drives on the network."""


class _Explained:
    """Turns what the many file systems raise into StorageError;
    of a file that is `fetched`, not that it is missing, nor that this machine's disk is full."""

    def __init__(self, what: str, fetched: bool) -> None:
        self.what, self.fetched = what, fetched

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if self.fetched and isinstance(error, OSError) and error.errno in _OF_THIS_MACHINE:
            return
        if self.fetched and isinstance(error, FileNotFoundError):
            return
        if isinstance(error, Exception) and not isinstance(error, _NOT_OF_STORAGE):
            raise (StorageAwayError if _may_pass(error) else StorageError)(
                f"Shared storage {self.what} failed ({type(error).__name__}: {error}); check that it runs,"
                " STORAGE_URL, and its keys."
            ) from error


def _may_pass(error: Exception) -> bool:
    """Whether a place that does not answer is the reason, not what it says: a key that may not, a bucket that
    is not there, a full disk."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & _AWAY) or (isinstance(error, OSError) and error.errno in _AWAY_NUMBERS)


def _files(path: Path) -> list[Path]:
    """A file itself, or the finished files below a folder."""
    if path.is_file():
        return [path]
    found: list[Path] = []
    for folder, folders, names in os.walk(path, onerror=_unless_gone):
        folders[:] = [entry for entry in folders if not _hidden(entry)]
        found += [file for entry in names if not _hidden(entry) and (file := Path(folder, entry)).is_file()]
    return sorted(found)


def _written(file: Mapping[str, Any]) -> float:
    """When a file of a shared place was written, seconds since 1970, as its file system tells it."""
    told = next((file[key] for key in ("LastModified", "mtime", "created") if file.get(key)), 0)
    return told.timestamp() if isinstance(told, datetime) else float(told)


def _unless_gone(error: OSError) -> None:
    """Raise it, unless another process has moved the folder away meanwhile."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _hidden(relative: str) -> bool:
    """Whether a name is of a file or folder that is being written."""
    return any(part.startswith(".") for part in relative.split("/"))
