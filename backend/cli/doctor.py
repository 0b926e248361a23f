"""The command that looks at everything and says what fixes it."""

from __future__ import annotations

import typer

from backend.cli.shell import FIX, AnyProject, AsJson, handle_errors, print_json, print_out
from backend.cli.terminal import examination
from backend.settings import read_settings


def doctor(project: AnyProject = None, as_json: AsJson = False) -> None:
    """Look at Label Studio, key, Redis, storage, workers, web server and projects;
    name for all that is wrong what fixes it.

    Changes nothing, and ends within two minutes, whatever is down. Warnings leave the exit code at 0;
    an error makes it 2.

    Example: python -m backend doctor

    Example: python -m backend doctor --project 3 --json
    """
    from backend.doctor import examine

    with handle_errors():
        found = examine(read_settings(), project)
    if as_json:
        print_json(found.to_dict())
    else:
        print_out(examination(found))
    if found.errors:
        raise typer.Exit(FIX)
