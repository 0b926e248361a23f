"""`predict`: the masks of a saved model on a folder of images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from model.cli.options import path_option
from model.cli.progress_bar import ProgressBar
from model.cli.terminal import console, handle_errors, print_err
from model.data.examination import assumed_notes
from model.data.folder_notes import mask_like_notes, output_notes, passed_over_notes, subfolder_notes
from model.data.folders import Files, find_files, require_images, shorten
from model.data.images.pixels import normalise
from model.data.images.reading import decode_to_size, read_bytes
from model.errors import ImageError, MaskError, ModelError, OutputError, PoolError
from model.export.folder import PREDICTION, ExportFolder
from model.export.mask_format import HELP, MaskFormat
from model.files import real_path
from model.hashing import digest
from model.network.folder import DESCRIPTION, saved_digest
from model.network.inference import Segmenter, predict_mask
from model.saved_model import class_names, load_model, working_side

OutputFormat = Annotated[MaskFormat, typer.Option("--format", help=HELP)]
Force = Annotated[
    bool, typer.Option("--force", help="Replace what is in the folder already; else nothing is overwritten.")
]


def predict_command(
    *,
    model: Annotated[Path, path_option(help="Folder of a saved model: the 'model' of an export.")],
    images: Annotated[Path, path_option(help="Folder of images; those in its sub-folders belong to it.")],
    out: Annotated[Path, path_option(help="Folder for the masks, each under its image's name.")],
    mask_format: OutputFormat = MaskFormat.PNG,
    subfolders: Annotated[bool, typer.Option(help="Whether images in sub-folders are read.")] = True,
    force: Force = False,
) -> None:
    """Draw the masks of a saved model into all images of a folder, at their full size.

    A stopped run goes on where it was. An image that cannot be read is named at the end; the others go on.

    Example: python -m model predict --model masks/model --images images --out predicted
    """
    with handle_errors():
        with suppress(OSError):  # of a folder that cannot be opened, which is said in the next line
            if not (model / DESCRIPTION).exists() and (model / "model" / DESCRIPTION).exists():
                model = model / "model"  # of a whole export
        segmenter = load_model(model)
        for what, given in (("images", images), ("model", model)):
            if real_path(out) in real_path(given).parents:
                raise OutputError(
                    f"{out}: holds the {what} ({given}), expected a folder of the masks' own; name another"
                    " one with --out."
                )
        if real_path(images) == real_path(out):
            raise OutputError(
                f"{out}: given for images and for masks, expected two folders; name another one with --out."
            )
        found = find_files(images, "images", subfolders=subfolders, without=out)
        for note in output_notes(found) + subfolder_notes(found):
            print_err(note)
        for _, message in passed_over_notes(found) + mask_like_notes(found, "move them out of the folder"):
            print_err(f"Please look: {message}", style="yellow")
        require_images(found)
        about = {"what": f"masks of {real_path(images)}", "model": saved_digest(model)}
        problems = [message for _, message in found.problems]
        assumed: dict[str, str] = {}
        with ExportFolder(out, about, class_names(segmenter), mask_format, force=force) as folder:
            if folder.resumed:
                print_err(f"Goes on: {folder.resumed} of {len(found.by_stem)} masks are done.")
            with ProgressBar(console) as bar:
                line, before = bar.add_task("Drawing masks", total=None), folder.resumed
                for done, problem in enumerate(
                    _write_masks(segmenter, model, found, folder, assumed), start=1
                ):
                    problems += [problem] if problem else []
                    if done >= before:
                        bar.report(line, done, len(found.by_stem))
            written = len(found.by_stem) - len(problems) + len(found.problems)
            if not written:
                raise PoolError(f"{images}: none of the images is usable; the first problem: {problems[0]}")
            report_moved(out, folder.finish())
        for note in assumed_notes(assumed):
            print_err(note)
        for message in problems:
            print_err(f"Left out: {message}", style="yellow")
        print_err(f"Written: {written} masks in {out}, and index.csv, which lists them.")


def report_moved(out: Path, moved: list[str]) -> None:
    """Tell which files of an earlier export were moved out of the way."""
    if moved:
        print_err(
            f"{len(moved)} files of an earlier export are no part of this one ({shorten(moved)}) and were"
            f" moved to {out / 'earlier'}.",
            style="yellow",
        )


def _write_masks(
    segmenter: Segmenter, model: Path, found: Files, folder: ExportFolder, assumed: dict[str, str]
) -> Iterator[str]:
    """What is wrong with each image in turn; "" for those whose mask is written.
    Notes what is `assumed` in reading them, by their names."""
    side = working_side(segmenter)
    version = str(segmenter.record.get("name") or real_path(model).name)
    for stem, path in found.by_stem.items():
        try:
            status = path.stat()
            fingerprint = digest(status.st_size, status.st_mtime_ns)
            if not folder.is_done(stem, fingerprint):
                small, size, assumed[found.name(stem)] = decode_to_size(read_bytes(path), str(path), side)
                mask = predict_mask(segmenter, normalise(small, name=str(path)), size=size)
                row = {
                    "source": PREDICTION,
                    "model_version": version,
                    "date": datetime.now(UTC).isoformat(timespec="seconds"),
                }
                folder.add(
                    stem, stem, mask, fingerprint=fingerprint, folder="", row=row, image_name=found.name(stem)
                )
            yield ""
        except (ImageError, MaskError) as error:
            yield str(error)
        except OSError as error:
            yield f"{path}: cannot be read ({error.strerror or error}); check its permissions."
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, ModelError) or not (
                isinstance(error, MemoryError) or "memory" in str(error).lower()
            ):
                raise
            yield f"{path}: there is not enough memory to work on it; cut it into tiles or export it smaller."
