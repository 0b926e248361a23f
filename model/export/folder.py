"""A folder of masks: each file appears whole, a killed export goes on where it was, and nothing is
overwritten unasked."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from model.arrays import Mask
from model.class_file import write_class_file
from model.data.own_output import EARLIER, JOURNAL
from model.errors import MaskError, OutputError
from model.export.coco import CocoImage, describe_objects, write_coco
from model.export.formats import encode_mask
from model.export.journal import Entry, Journal, State
from model.export.mask_format import MaskFormat
from model.export.objects import Objects, number_objects
from model.files import check_writable_folder, write_atomically, write_bytes

INDEX = "index.csv"
OBJECTS = "objects.csv"
COLUMNS = ("file", "task", "source", "model_version", "expected_dice", "annotator", "date", "mask")
IMAGES = "images"
"""Files of an earlier export that this one has no more are moved there."""
LABEL, PREDICTION = "label", "prediction"
"""Sources of a mask."""


class ExportFolder:
    """Masks, images and tables in a folder; a context manager, which one process at a time holds.

    Resumes an unfinished export of the same `about` (what is exported, JSON-ready, with "what" in words);
    `chosen` is what a resumed one keeps of itself. With `force` one that chose otherwise begins anew.
    Raises OutputError for a folder that cannot be written, or holds something else and `force` is not set.
    """

    def __init__(
        self,
        path: Path,
        about: Mapping[str, Any],
        labels: Sequence[str],
        mask_format: MaskFormat = MaskFormat.PNG,
        *,
        force: bool = False,
        chosen: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self._about = {**about, "labels": list(labels), "format": str(mask_format)}
        self._chosen = dict(chosen or {})
        self._labels = tuple(labels)
        self._format = mask_format
        self._force = force
        self._journal = Journal(path)
        self._seen: dict[str, Mapping[str, str]] = {}  # what the table is to say of each image now
        self.resumed = 0
        """Images that were done before."""

    def __enter__(self) -> Self:
        check_writable_folder(self.path, "--out")
        others = sorted(each.name for each in self.path.iterdir() if JOURNAL not in each.name)
        try:
            self._open(self._journal.open(), others)
        except BaseException:
            self._journal.close()
            raise
        return self

    def _open(self, state: State | None, others: list[str]) -> None:
        about = {"about": self._about, **self._chosen}
        if state is not None and self._goes_on(state):
            self.resumed = len(state.entries)
            self._chosen = {name: state.about.get(name, value) for name, value in self._chosen.items()}
            return
        if not self._force and (others or state is not None):
            raise OutputError(f"{self.path}: {self._found(state, others)}")
        with self._writing():
            self._journal.begin(about, state.files if state else set())

    def _goes_on(self, state: State) -> bool:
        """Whether an export that is there is this one, unfinished."""
        otherwise = any(state.about.get(name) != value for name, value in self._chosen.items())
        same = state.about.get("about") == self._about and not (self._force and otherwise)
        return same and not state.finished

    def _found(self, state: State | None, others: list[str]) -> str:
        remedy = "name another folder, or add --force, which replaces files of the same names"
        if state is None:
            listed = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
            return f"found files in it ({listed}), expected a new or an empty folder; {remedy}."
        what = state.about.get("about", {}).get("what", "something else")
        if state.finished:
            return f"holds a finished export of {what}; {remedy}."
        return f"holds an unfinished export of {what}, or with other settings; {remedy}."

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()

    def chosen(self, name: str) -> Any:
        """What this export was begun with."""
        return self._chosen[name]

    @property
    def stems(self) -> dict[str, str]:
        """The names that were given, by key."""
        return {key: entry.stem for key, entry in self._state.entries.items()}

    @property
    def _state(self) -> State:
        assert self._journal.state is not None
        return self._journal.state

    def is_done(self, key: str, fingerprint: str, row: Mapping[str, str] | None = None) -> bool:
        """Whether an image was written by this export, from the same, and its files are there. What is told
        of it in `row` may have changed since, and is taken from there."""
        entry = self._state.entries.get(key)
        if entry is None or entry.fingerprint != fingerprint:
            return False
        if not all((self.path / name).is_file() for name in entry.files):
            return False
        self._seen[key] = row or {}
        return True

    def add(
        self,
        key: str,
        stem: str,
        mask: Mask | None,
        *,
        fingerprint: str,
        folder: str,
        row: Mapping[str, str],
        image: tuple[str, bytes] | None = None,
        image_name: str = "",
        objects: Objects | None = None,
    ) -> None:
        """Write a mask, uint8 (H, W) class ids, into a sub-folder, and its image, (extension, bytes).

        Without a mask the image is written alone.
        `objects` are its objects where they are not its connected pieces.
        `image_name` is what tables call an image that is not written.
        Raises OutputError when the disk takes no more, MaskError for too many objects, and where a folder has
        the name of the file or a file that of its folder.
        """
        name = image_name or (f"{stem}{image[0]}" if image else stem)
        files: list[str] = []
        coco: CocoImage | None = None
        if self._format.of_objects and objects is None and mask is not None:
            objects = number_objects(mask, name=name)
        with self._writing():
            if image is not None:
                files.append(self._put(f"{IMAGES}/{name}", image[1]))
            where = ""
            if mask is None:
                folder = ""
            elif self._format is MaskFormat.COCO:
                assert objects is not None
                coco, where = describe_objects(objects, name), _coco_file(folder)
            else:
                where = "/".join(filter(None, (folder, f"{stem}{self._format.suffix}")))
                self._check_free(where)
                values = objects.numbers if objects is not None else mask
                files.append(self._put(where, encode_mask(values, self._format)))
            counted = list(zip(objects.classes, objects.areas, strict=True)) if objects is not None else []
            line = {**row, "file": name, "mask": where}
            self._journal.add(Entry(key, stem, fingerprint, files, line, folder, counted, coco))
        self._seen[key] = row

    def finish(self, extra: Iterable[str] = ()) -> list[str]:
        """Write the tables; returns the files of earlier exports that were moved aside.
        `extra` are files that were written beside the masks.

        Images that were not written or found done since it was opened are no part of it.
        """
        entries = [entry for key, entry in self._state.entries.items() if key in self._seen]
        entries.sort(key=lambda entry: (len(entry.key), entry.key) if entry.key.isdigit() else (0, entry.key))
        made = {name for entry in entries for name in entry.files}
        rows = ({**entry.row, **self._seen[entry.key]} for entry in entries)
        with self._writing():
            tables = [*extra, self._put(INDEX, _table(COLUMNS, rows))]
            if self._format is MaskFormat.OBJECTS:
                objects = _objects(entries, self._labels)
                tables.append(self._put(OBJECTS, _table(_OBJECT_COLUMNS, objects)))
            for folder in sorted({entry.folder for entry in entries if entry.row["mask"]}):
                if self._format is MaskFormat.COCO:
                    tables.append(_coco_file(folder))
                    with write_atomically(self.path / tables[-1]) as file:
                        write_coco(file, self._journal.read_coco(folder, self._seen), self._labels)
                else:
                    numbered = self._format is MaskFormat.OBJECTS
                    write_class_file(self.path / folder, self._labels, objects=numbered)
            moved = self._move_aside(self._state.files - made - set(tables))
            self._journal.finish(tables)
        return moved

    def _check_free(self, name: str) -> None:
        """Raise MaskError where a file cannot be: an image may be called as the folder of another one."""
        path = self.path / name
        above = [parent for parent in path.parents if self.path in parent.parents and parent.is_file()]
        if path.is_dir() or above:
            found = f"a file {above[0]}" if above else "a folder of that name"
            raise MaskError(
                f"{path}: cannot be written, found {found}; rename the image, or the folder of images that"
                " has its name."
            )

    def _put(self, name: str, content: bytes) -> str:
        """Write a file. One of that name that somebody else has put there since this was begun is moved
        aside, unless that was allowed."""
        path = self.path / name
        known = self._state.files | self._state.tables
        if not self._force and name not in known and path.is_file() and path.read_bytes() != content:
            self._move_aside({name})
        write_bytes(path, content)
        return name

    def _move_aside(self, names: set[str]) -> list[str]:
        """Out of the way, so that a mask of last week is not taken for one of today."""
        aside = Path(EARLIER) / datetime.now(UTC).strftime("%Y-%m-%d-%H%M%S")
        moved = sorted(name for name in names if (self.path / name).is_file())
        for name in moved:
            target = self.path / aside / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).replace(target)
        return moved

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written ({error.strerror or error}); check that the disk has room."
                " What is written stays, and the same command goes on from there."
            ) from error


_OBJECT_COLUMNS = ("mask", "object", "class", "label", "pixels")


def _objects(entries: Sequence[Entry], labels: Sequence[str]) -> Iterator[dict[str, str]]:
    for entry in entries:
        for number, (class_id, area) in enumerate(entry.objects, start=1):
            yield {
                "mask": entry.row["mask"],
                "object": str(number),
                "class": str(class_id),
                "label": labels[class_id - 1],
                "pixels": str(area),
            }


def _table(columns: Sequence[str], rows: Iterator[Mapping[str, str]] | Any) -> bytes:
    """A CSV; a file's name that is no text in UTF-8 keeps its bytes."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(errors="surrogateescape")


def _coco_file(folder: str) -> str:
    """Where CVAT and others look for the annotations of a set."""
    return f"annotations/instances_{folder or 'predicted'}.json"
