"""The command that writes a project's masks into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.shell import FAILED, Project, errors, handle_errors, print_err, print_out
from backend.errors import UnreachableError
from backend.settings import get_settings
from model.export.mask_format import HELP, MaskFormat

if TYPE_CHECKING:
    from backend.export.project_masks import Exported


def export(
    project: Project,
    out: Annotated[Path, typer.Option(help="Folder to write; a new or empty one.")],
    mask_format: Annotated[MaskFormat, typer.Option("--format", help=HELP)] = MaskFormat.PNG,
    onnx: Annotated[bool, typer.Option("--onnx", help="The U-Net as model.onnx, too.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace what is in the folder already; else nothing is overwritten."),
    ] = False,
) -> None:
    """Write the masks of all images into a folder: labels, and the model's masks for the other images.

    masks/ holds the labels, predicted/ what the model draws, images/ the images, model/ the model;
    index.csv says of each mask where it comes from. A stopped export goes on where it was.
    What cannot be read is named at the end, and the other images are written.

    Example: python -m backend export --project 3 --out masks-of-today

    Example: python -m backend export --project 3 --out for-cvat --format coco
    """
    import torch

    from backend.export.project_masks import export_masks
    from backend.project.context import open_context
    from model.cli.progress_bar import ProgressBar

    with handle_errors():
        # As the workers do: another number of threads adds up in another order, and a pixel of the outline
        # may fall on the other side.
        torch.set_num_threads(get_settings().torch_threads)
        try:
            with ProgressBar(errors) as bar:
                line = bar.add_task("Reading the project", total=None)
                done = export_masks(
                    open_context(project),
                    out,
                    mask_format=mask_format,
                    force=force,
                    onnx=onnx,
                    on_progress=lambda step, count, total: bar.report(line, count, total, step),
                )
        except UnreachableError as error:
            print_err(f"Error: {error} What is written stays; the same command goes on from there.")
            raise typer.Exit(FAILED) from error
    for problem in done.problems:
        print_err(f"Please look: {problem}")
    for note in _notes(done, out):
        print_out(note)


def _notes(done: Exported, out: Path) -> list[str]:
    """What was written, and what a reader should know of it."""
    notes = [*done.notes]
    if done.renamed:
        listed = ", ".join(done.renamed[:3]) + (", ..." if len(done.renamed) > 3 else "")
        notes.append(
            f"{len(done.renamed)} images have the name of another one and are written with their task's"
            f" number: {listed}."
        )
    if done.moved:
        notes.append(
            f"{len(done.moved)} files of an earlier export, which this one has no more, were moved to"
            f" {out / 'earlier'}."
        )
    notes.append(f"Written to {out}: {done.summary}. index.csv lists them.")
    return notes
