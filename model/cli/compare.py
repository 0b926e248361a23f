"""`compare`: several experiments in one table, and which strategy the rule makes the default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model.cli.options import given_path
from model.cli.terminal import handle_errors


def compare_command(
    results: Annotated[
        list[Path],
        typer.Argument(
            parser=given_path,
            help="results.json of each experiment, or the folders that hold them.",
        ),
    ],
    heterogeneous: Annotated[
        list[str] | None,
        typer.Option(
            help="A set whose images differ much, on which a new default has to win; may be repeated."
        ),
    ] = None,
) -> None:
    """Compare the strategies over several experiments:
    the area above random choice on each set and in the mean, and what follows for the default.

    Example: python -m model compare runs/nuclei runs/worms --heterogeneous nuclei
    """
    with handle_errors():
        # here: pandas takes a second to load, and the other commands do without
        from model.experiment.evaluation.several import describe_sets, read_sets

        print(describe_sets(read_sets(results), heterogeneous or ()), end="")
