"""What predict and exports have written, found again in a folder of images or masks."""

import re
from pathlib import Path

from model import class_file
from model.errors import PoolError

JOURNAL, EARLIER = ".export.jsonl", "earlier"
"""In a folder of exported masks: what was exported, and the sub-folder of files of former exports, which are
no part of it."""
_DATED = re.compile(r"\d{4}-\d\d-\d\d-\d{6}")
"""Names of the folders in EARLIER."""
_PARTS = ("images", "masks", "predicted")
"""Sub-folders of an export."""


def is_output(folder: Path) -> bool:
    """Whether this project has written a folder."""
    return _exists(folder / JOURNAL)


def is_moved_aside(folder: Path) -> bool:
    """Whether a folder holds files of a former export; an image may lie in an "earlier" of a user's own."""
    return (
        folder.parent.name == EARLIER and bool(_DATED.fullmatch(folder.name)) and is_output(folder.parents[1])
    )


def part_of_export(folder: Path, what: str) -> str:
    """The sub-folder of a whole export that holds "images" or "masks"; empty for any other folder.

    Raises PoolError for an export without labels: what the model has drawn must not count as some.
    """
    # predict writes masks side by side, and beside them what their numbers mean
    if not is_output(folder) or _exists(folder / class_file.NAME):
        return ""
    found = [part for part in _PARTS if _exists(folder / part)]
    if found and what == "masks" and what not in found and _exists(folder / "annotations"):
        raise PoolError(
            f"{folder}: found an export in COCO's format, expected a folder of masks; export it with"
            " --format png."
        )
    if found and what == "masks" and what not in found:
        raise PoolError(
            f"{folder}: found an export without masks that people have drawn, expected a folder of masks."
            " What the model has drawn is no label; if it is to count as one, name its sub-folder."
        )
    return what if what in found else ""


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder that cannot be opened, which is said elsewhere
        return False
