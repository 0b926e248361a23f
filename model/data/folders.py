"""Folders of images and of masks: which files are read."""

import os
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from model import class_file
from model.data.own_output import is_moved_aside, is_output, part_of_export
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
    own: list[str] = field(default_factory=list)
    """Sub-folders among images that hold what this project has written: masks, or a whole export."""
    export: Path | None = None
    """The whole export that was given in place of `folder`, its sub-folder."""

    def name(self, stem: str) -> str:
        """The path of a file within the folder, with "/" between: the id of an image."""
        return self.by_stem[stem].relative_to(self.folder).as_posix()

    @property
    def subfolders(self) -> list[str]:
        """Sub-folders that hold images, by their path within the folder."""
        return sorted({parent for stem in self.by_stem if (parent := parent_of(stem))})


def find_files(folder: Path, what: str, *, subfolders: bool = True, without: Path | None = None) -> Files:
    """The image files of a folder and of its sub-folders, but for the folder `without` (that of the masks,
    say) among them.

    Of a whole export, its sub-folder called `what`, "images" or "masks", is read; what predict or an export
    has written into a sub-folder of images is not. With `subfolders` false images in sub-folders are only
    counted. A link to a folder is followed once.
    Raises PoolError if the folder is missing, cannot be opened or holds a name twice itself;
    names that are twice in a sub-folder are problems.
    """
    _check_folder(folder, what)
    part = part_of_export(folder, what)
    files = Files(folder / part, export=folder if part else None)
    seen = {real_path(files.folder)} | ({real_path(without)} if without is not None else set())
    _add(files, files.folder, seen, what == "images", subfolders)
    files.by_stem = dict(sorted(files.by_stem.items(), key=lambda item: item[1]))
    return files


def find_both(
    images_dir: Path, masks_dir: Path | None, *, subfolders: bool = True
) -> tuple[Files, Files | None]:
    """The files of a folder of images and of one of masks, if there is one.
    Raises PoolError as `find_files`, and for one folder given as both."""
    images = find_files(images_dir, "images", subfolders=subfolders, without=masks_dir)
    require_images(images)
    if masks_dir is None:
        return images, None
    masks = find_files(masks_dir, "masks", subfolders=subfolders, without=images_dir)
    if real_path(images.folder) == real_path(masks.folder):
        raise PoolError(
            f"{images_dir}: given for images and for masks, expected two folders; move the masks to one of"
            " their own."
        )
    return images, masks


def require_images(files: Files) -> None:
    """Raise PoolError if there are none, saying what was passed over."""
    if files.by_stem:
        return
    inside = ""
    if files.passed_over:
        inside = f" itself, but {files.passed_over} in sub-folders (leave out --no-subfolders)"
    elif files.own:
        inside = f", only what predict or an export has written ({shorten(files.own)})"
    raise PoolError(
        f"{files.folder}: no images found{inside}, expected files ending in {', '.join(EXTENSIONS)}; check"
        " the folder."
    )


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


def _add(files: Files, folder: Path, seen: set[Path], of_images: bool, subfolders: bool) -> None:
    inside = folder != files.folder
    by_stem: dict[str, list[Path]] = defaultdict(list)
    folders = []
    for path in sorted(_entries(files, folder)):
        if path.name.startswith(".") or is_moved_aside(path):
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
            if of_images and is_output(path):
                files.own.append(path.relative_to(files.folder).as_posix())
            else:
                _add(files, path, seen, of_images, subfolders)


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


def shorten(names: list[str]) -> str:
    """The first few of some names, and how many more there are."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def parent_of(stem: str) -> str:
    """The sub-folder that a stem lies in; empty if in none."""
    return stem.rpartition("/")[0]
