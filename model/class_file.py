"""classes.json in a folder of masks: what their numbers mean, so that nobody has to guess it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.files import write_bytes

NAME = "classes.json"
MEANINGS = CLASSES, OBJECTS = "classes", "objects"


@dataclass(frozen=True)
class ClassFile:
    """What the numbers of masks are."""

    labels: tuple[str, ...]
    """Names of the classes 1, 2, ...; 0 is the background."""
    objects: bool = False
    """The numbers count objects, of whichever class."""


def write_class_file(folder: Path, labels: Sequence[str], *, objects: bool = False) -> None:
    """Say what the masks of a folder hold."""
    classes = [{"id": number, "name": name} for number, name in enumerate(labels, start=1)]
    content = {"numbers": OBJECTS if objects else CLASSES, "classes": classes}
    write_bytes(folder / NAME, json.dumps(content, indent=1, ensure_ascii=False).encode())


def read_class_file(folder: Path) -> ClassFile | None:
    """What `write_class_file` has said of a folder; None where there is no such file, or another one."""
    try:
        content = json.loads((folder / NAME).read_text("utf-8-sig"))
        classes = {int(each["id"]): str(each["name"]) for each in content["classes"]}
        classes.pop(0, None)  # the background, which others name as well
        if content["numbers"] not in MEANINGS:
            return None
        if not classes or sorted(classes) != list(range(1, len(classes) + 1)):
            return None
        labels = tuple(classes[number] for number in sorted(classes))
        return ClassFile(labels, content["numbers"] == OBJECTS)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
