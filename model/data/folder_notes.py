"""What a user should know of the files that were found in folders, and of those that were not read."""

from model.data.folders import EXTENSIONS, Files, shorten


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
