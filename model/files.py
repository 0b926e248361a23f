"""Files that appear whole or not at all."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from model.errors import OutputError

SHOWN = 40
"""Signs of a file's name in that of the unfinished file beside it."""


def real_path(path: Path) -> Path:
    """Where a path leads, all links followed; a link to itself, over which Path.resolve stumbles, stays."""
    return Path(os.path.realpath(path))


@contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file beside `path` that takes its place when the block ends well, and is removed when it
    does not."""
    if path.exists() and not path.is_file():  # a pipe or a device, whose place no file may take
        with path.open("wb") as file:
            yield file
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name may be as long as the file system takes; only the first signs of it are needed.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:SHOWN]}-", dir=path.parent)
    beside = Path(name)
    try:
        os.close(descriptor)
        with beside.open("wb") as file:  # which has a name, for who writes to that
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o644)  # mkstemp makes it private; several users of one storage read it
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds the old one or the whole new one, never a part."""
    with write_atomically(path) as file:
        file.write(content)


def lock(file: IO[bytes]) -> None:
    """Hold a file until it is closed, or this process ends, however it ends.
    Raises BlockingIOError while another one holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a network drive that knows no locks
        pass


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Keep other runs from writing a file that is read once and then written from memory, again and again.

    What is held is an empty hidden file beside it, which stays there; whoever may read it can hold it.
    Raises OutputError while another run holds it.
    """
    beside = path.with_name(f".{path.name}.lock")
    with os.fdopen(os.open(beside, os.O_RDONLY | os.O_CREAT, 0o666), "rb") as file:
        try:
            lock(file)
        except BlockingIOError as error:
            raise OutputError(
                f"{path}: found another run that writes it, expected none; wait for that one, or name another"
                " folder with --out."
            ) from error
        yield


def check_writable(path: Path) -> None:
    """Raise OutputError unless a file can be written there, so that hours of work do not end in that
    error."""
    try:
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        _write_in(path.parent)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}); choose another place for it."
        ) from error


def check_writable_folder(folder: Path, option: str) -> None:
    """Raise OutputError, naming the option that chooses another, unless files can be written in a folder,
    which is made."""
    try:
        _write_in(folder)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written in ({error.strerror or error}); name another folder with {option}."
        ) from error


def _write_in(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
