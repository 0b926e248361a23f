"""What a user should know of the files that were found in folders, and of those that were not read."""

import re

from model.data.folders import EXTENSIONS, Files, parent_of, shorten

_MASK_OF = re.compile(r"(.+?)[_-](masks?|cp_masks?|seg|labels?|gt)", re.IGNORECASE)
"""How programs call the mask that they write beside an image."""
_FOLDERS_OF_MASKS = ("mask", "masks", "label", "labels", "predicted", "predictions")
"""Names of sub-folders in which hardly anybody keeps images, in lower case."""


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


def output_notes(*folders: Files | None) -> list[str]:
    """What predict or an export has written into the folders, and what is read of it."""
    notes = []
    for files in folders:
        if files is not None and files.export is not None:
            notes.append(f"{files.export} is a whole export: its sub-folder {files.folder.name} is read.")
        if files is not None and files.own:
            notes.append(
                f"Passed over {shorten(files.own)} among the images: predict or an export has written what is"
                " in there. To read it, name that folder itself."
            )
    return notes


def mask_like_notes(images: Files, remedy: str) -> list[tuple[str, str]]:
    """A note if some of the images are called as masks of others are, or lie in a sub-folder called so;
    `remedy` is what a user can do with masks."""
    beside = [
        images.name(stem)
        for stem in images.by_stem
        if (found := _MASK_OF.fullmatch(stem)) and found[1] in images.by_stem
    ]
    within = [
        images.name(stem)
        for stem in images.by_stem
        if not {part.lower() for part in parent_of(stem).split("/")}.isdisjoint(_FOLDERS_OF_MASKS)
    ]
    names = beside + [name for name in within if name not in beside]
    if not names or len(within) == len(images.by_stem):
        return []
    return [
        (
            names[0],
            f"{len(names)} of the {len(images.by_stem)} images are called as masks are ({shorten(names)}),"
            f" and are read as images. If they are masks, {remedy}.",
        )
    ]
