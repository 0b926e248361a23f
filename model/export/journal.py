"""What an export has written so far: a hidden file in its folder, a line for each image, so that it goes on
after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from model.data.own_output import JOURNAL
from model.errors import OutputError
from model.export.coco import CocoImage
from model.files import lock, write_bytes

FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """An image that is done."""

    key: str
    stem: str
    """Its path within the folders, without the extension."""
    fingerprint: str
    """Of what it was made from: another one is made again."""
    files: list[str]
    """Paths within the export."""
    row: dict[str, str]
    """Of index.csv."""
    folder: str = ""
    """Where its mask is: "masks", "predicted"."""
    objects: list[tuple[int, int]] = field(default_factory=list)
    """(class id, pixels) of object 1, 2, ..."""
    coco: CocoImage | None = None


@dataclass
class State:
    """What a journal says."""

    about: dict[str, Any]
    """What is exported and how."""
    earlier: set[str]
    """Files of an earlier export in the same folder, which this one replaces."""
    entries: dict[str, Entry] = field(default_factory=dict)
    """By key; the latest, without the polygons, which do not fit into memory for thousands of images."""
    dropped: set[str] = field(default_factory=set)
    """Files of entries that were made again."""
    tables: set[str] = field(default_factory=set)
    """Files that are not of one image."""
    finished: bool = False

    def keep(self, entry: Entry) -> None:
        """Note an entry in place of an earlier one."""
        before = self.entries.get(entry.key)
        self.dropped |= set(before.files if before else ())
        self.entries[entry.key] = replace(entry, coco=None)

    @property
    def files(self) -> set[str]:
        """All files that were ever written."""
        current = {name for entry in self.entries.values() for name in entry.files}
        return current | self.dropped | self.earlier | self.tables


class Journal:
    """The file; held by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self._file: IO[bytes] | None = None
        self.state: State | None = None

    def open(self) -> State | None:
        """What it says; None if there is none. Raises OutputError while another process writes."""
        self._file = self._path.open("ab")
        try:
            lock(self._file)
            if not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
                raise BlockingIOError  # another one has begun just now, in a file of its own
        except (BlockingIOError, FileNotFoundError) as error:
            self._file.close()
            self._file = None
            raise OutputError(
                f"{self._path.parent}: another command is writing into it; wait for it, or name another"
                " folder."
            ) from error
        content = self._path.read_bytes()
        if content and not content.endswith(b"\n"):
            self._file.write(b"\n")  # after a line that a kill has cut off
            self._file.flush()
        self.state = _read(content)
        return self.state

    def begin(self, about: Mapping[str, Any], earlier: set[str]) -> State:
        """Start again, with nothing done. Until it has begun, what an earlier export wrote is not forgotten,
        wherever a kill comes."""
        assert self._file is not None
        head = {"format": FORMAT, "about": about, "earlier": sorted(earlier)}
        write_bytes(self._path, _line(head))
        with self._file:  # locked until the new one is
            self._file = self._path.open("ab")
            lock(self._file)
        self.state = State(dict(about), earlier)
        return self.state

    def add(self, entry: Entry) -> None:
        """Note an image whose files are in place."""
        assert self.state is not None
        self.state.keep(entry)
        self._write(asdict(entry))

    def read_coco(self, folder: str, keys: Collection[str]) -> Iterator[CocoImage]:
        """The objects of the images of some keys whose masks are in a folder, in the order of writing."""
        latest = {}  # a line of the same key may come again
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines):
                with suppress(ValueError):
                    latest[json.loads(line).get("key")] = number
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines):
                with suppress(ValueError):
                    content = json.loads(line)
                    if latest.get(content.get("key")) != number or content.get("folder") != folder:
                        continue
                    if content["key"] in keys and content["coco"]:
                        yield content["coco"]

    def finish(self, tables: Iterable[str]) -> None:
        """Note that all is done, and the tables that were written last."""
        self._write({"finished": True, "tables": list(tables)})

    def close(self) -> None:
        """Let others write."""
        if self._file is not None:
            if not os.fstat(self._file.fileno()).st_size:  # nothing was begun
                self._path.unlink(missing_ok=True)
            with suppress(OSError):  # a full disk, which was told when it was written to
                self._file.close()
            self._file = None

    def _write(self, line: Mapping[str, Any]) -> None:
        assert self._file is not None
        self._file.write(_line(line))
        self._file.flush()


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _read(journal: bytes) -> State | None:
    """A line that a kill has cut off is passed over, and so is a file of another kind."""
    state: State | None = None
    for line in journal.splitlines():
        try:
            content = json.loads(line)
            if state is None:
                if content["format"] != FORMAT:
                    return None
                state = State(content["about"], set(content["earlier"]))
            elif "finished" in content:
                state.finished, state.tables = True, set(content["tables"])
            else:
                state.keep(Entry(**content))
        except (ValueError, KeyError, TypeError):
            if state is None:
                return None
    return state
