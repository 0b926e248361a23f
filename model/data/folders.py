"""Folders of images and of masks: which files are read, and which mask belongs to which image."""

import os
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from model import class_file
from model.errors import PoolError
from model.files import real_path

EXTENSIONS = (".jpeg", ".jpg", ".png", ".tif", ".tiff")
"""Names that count as images in a folder (any case)."""
SYSTEM_FILES = ("thumbs.db", "desktop.ini")
"""Files that operating systems leave behind, in lower case; nobody needs to hear of them."""
OWN_FILES = (class_file.NAME, "index.csv", "objects.csv")
"""Tables that this project writes beside masks."""
SYSTEM_FOLDERS = ("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found")
"""Folders likewise: archives of a Mac, network storage, Windows.
Hidden ones (.ipynb_checkpoints) are passed over as well."""
JOURNAL, EARLIER = ".export.jsonl", "earlier"
"""In a folder of exported masks: what was exported, and the sub-folder of files of former exports, which are
no part of it."""
SHOWN = 3
"""Names listed in a message before it says how many more there are."""


@dataclass
class Files:
    """The images of one folder.
    A stem is the path within it without the extension, "plate1/c3", composed as on Linux (NFC)."""

    folder: Path
    by_stem: dict[str, Path] = field(default_factory=dict)
    """Ascending by path; links that lead nowhere too, so that whoever reads them says so."""
    others: list[str] = field(default_factory=list)
    """Files of other kinds, by their path within the folder."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """(path within the folder, message) of what in a sub-folder cannot be read."""
    passed_over: int = 0
    """Images in sub-folders that are not to be read."""

    def name(self, stem: str) -> str:
        """The path of a file within the folder, with "/" between: the id of an image."""
        return self.by_stem[stem].relative_to(self.folder).as_posix()

    @property
    def subfolders(self) -> list[str]:
        """Sub-folders that hold images, by their path within the folder."""
        return sorted({parent for stem in self.by_stem if (parent := _parent(stem))})


def find_files(folder: Path, what: str, *, subfolders: bool = True, without: Path | None = None) -> Files:
    """The image files of a folder and of its sub-folders, but for the folder `without` (that of the masks,
    say) among them.

    With `subfolders` false those in sub-folders are only counted. A link to a folder is followed once.
    Raises PoolError if the folder is missing, cannot be opened or holds a name twice itself;
    names that are twice in a sub-folder are problems.
    """
    _check_folder(folder, what)
    files = Files(folder)
    seen = {real_path(folder)} | ({real_path(without)} if without is not None else set())
    _add(files, folder, seen, subfolders)
    files.by_stem = dict(sorted(files.by_stem.items(), key=lambda item: item[1]))
    return files


def _check_folder(folder: Path, what: str) -> None:
    try:
        found = folder.is_dir()
    except OSError as error:
        raise PoolError(_closed(folder, error)) from error
    if not found:
        said = "a link that leads to no folder" if folder.is_symlink() else "no such folder"
        raise PoolError(f"{folder}: {said}, expected {what} ({', '.join(EXTENSIONS)}); check the path.")


def _closed(folder: Path, error: OSError) -> str:
    return f"{folder}: cannot be opened ({error.strerror or error}); check its permissions."


def _is_folder(path: Path) -> bool:
    """Also of what is not to be reached: who reads it says so."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _add(files: Files, folder: Path, seen: set[Path], subfolders: bool) -> None:
    inside = folder != files.folder
    by_stem: dict[str, list[Path]] = defaultdict(list)
    folders = []
    for path in sorted(_entries(files, folder)):
        if path.name.startswith(".") or (path.name == EARLIER and (folder / JOURNAL).exists()):
            continue
        if _is_folder(path):
            folders.append(path)
        elif path.suffix.lower() in EXTENSIONS:
            stem = path.relative_to(files.folder).with_suffix("").as_posix()
            by_stem[unicodedata.normalize("NFC", stem)].append(path)  # a Mac may write "ö" as two signs
        elif path.name.lower() not in (*SYSTEM_FILES, *OWN_FILES):
            files.others.append(path.relative_to(files.folder).as_posix())
    for stem, paths in by_stem.items():
        if len(paths) > 1:
            message = (
                f"{folder}: {paths[0].name} and {paths[1].name} share a name{_twins(paths)}, expected one"
                " file each; rename or remove one."
            )
            if not inside:
                raise PoolError(message)
            files.problems.append((stem, message))
        elif inside and not subfolders:
            files.passed_over += 1
        else:
            files.by_stem[stem] = paths[0]
    for path in sorted(
        folders, key=lambda path: (path.is_symlink(), path)
    ):  # a link to a folder beside it comes second
        if path.name.lower() not in SYSTEM_FOLDERS and (real := real_path(path)) not in seen:
            seen.add(real)
            _add(files, path, seen, subfolders)


def _twins(paths: list[Path]) -> str:
    """What tells two names apart that look the same."""
    alike = len({unicodedata.normalize("NFC", path.name) for path in paths[:2]}) == 1
    return " (the same letters, written by other signs: Unicode NFC and NFD)" if alike else ""


def _entries(files: Files, folder: Path) -> list[Path]:
    try:
        # a folder may tell the names in it, and not let at them
        os.stat(f"{folder}/.")  # noqa: PTH116 - pathlib leaves the dot out
        return list(folder.iterdir())
    except OSError as error:
        if folder == files.folder:
            raise PoolError(_closed(folder, error)) from error
        files.problems.append((folder.relative_to(files.folder).as_posix(), _closed(folder, error)))
        return []


def match_masks(images: Files, masks: Files) -> tuple[dict[str, Path], list[tuple[str, str]]]:
    """The mask of each image by the image's stem, and (name, message) of each mask that belongs to none.

    A mask has the path of its image within the folder ("plate1/c3");
    where only one of the two lies in a sub-folder, the same name is enough if no other image and no other
    mask has it. The ".ome" of "a.ome.tif" does not count.
    """
    matched: dict[str, Path] = {}
    plain = {_plain(stem): stem for stem in images.by_stem}
    left: dict[str, list[str]] = defaultdict(list)
    for stem, path in masks.by_stem.items():
        image = stem if stem in images.by_stem else plain.get(_plain(stem))
        if image is not None and image not in matched:
            matched[image] = path
        else:
            left[_base(stem)].append(stem)
    candidates: dict[str, list[str]] = defaultdict(list)
    for stem in images.by_stem:
        candidates[_base(stem)].append(stem)
    orphans = []
    for base, stems in left.items():
        found = [stem for stem in candidates[base] if stem not in matched]
        if len(found) == len(stems) == len(candidates[base]) == 1 and (
            not _parent(stems[0]) or not _parent(found[0])
        ):
            matched[found[0]] = masks.by_stem[stems[0]]
            continue
        for stem in stems:
            path = masks.by_stem[stem]
            orphans.append((masks.name(stem), f"{path}: {_no_image(stem, candidates[base])}"))
    return matched, sorted(orphans)


def _no_image(stem: str, namesakes: list[str]) -> str:
    if not namesakes:
        return f"no image is called {stem!r}; rename the mask like its image."
    listed = shorten([repr(name) for name in namesakes])
    return f"no image is called {stem!r}, but {listed}; put the mask into the same sub-folder as its image."


def passed_over_notes(*folders: Files | None) -> list[tuple[str, str]]:
    """One note for each folder that holds files of other kinds, hidden ones apart."""
    others = [files for files in folders if files is not None and files.others]
    only = f"only files ending in {', '.join(EXTENSIONS)} are read"
    return [
        (files.folder.name, f"{files.folder}: passed over {shorten(files.others)}; {only}.")
        for files in others
    ]


def subfolder_notes(images: Files) -> list[str]:
    """How many images lie in sub-folders."""
    if images.passed_over:
        return [
            f"Passed over {images.passed_over} images in sub-folders; without --no-subfolders they are read"
            " as well."
        ]
    count = sum("/" in stem for stem in images.by_stem)
    if not count:
        return []
    return [
        f"{count} of {len(images.by_stem)} images are in sub-folders ({shorten(images.subfolders)});"
        " --no-subfolders leaves them out."
    ]


def shorten(names: list[str]) -> str:
    """The first few of some names, and how many more there are."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _parent(stem: str) -> str:
    return stem.rpartition("/")[0]


def _base(stem: str) -> str:
    return _plain(stem.rpartition("/")[2])


def _plain(stem: str) -> str:
    return stem.removesuffix(".ome")
