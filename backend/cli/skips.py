"""The command that puts skipped images back."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.shell import Project, Wait, Yes, confirm, handle_errors, print_out, report_job
from backend.cli.terminal import describe_unskip
from backend.settings import get_settings


def unskip(
    project: Project,
    task: Annotated[
        list[int] | None,
        typer.Option(min=1, help="A task to put back; may be repeated. None: all that status lists."),
    ] = None,
    yes: Yes = False,
    wait: Wait = False,
) -> None:
    """Put skipped images back, so that Label Studio serves them again to those who skipped them.

    Asks first. Labels stay, and so does what people drew before they skipped:
    such a task stays skipped, until somebody opens it in Label Studio and presses Cancel skip.

    Example: python -m backend unskip --project 3 --wait

    Example: python -m backend unskip --project 3 --task 12 --task 17 --yes
    """
    from backend.project.registry import require_known_here
    from backend.project.status import read_status
    from backend.queue.enqueue import enqueue_unskip

    with handle_errors():
        require_known_here(project, get_settings())
        skipped = read_status(project).skipped
        if not task and not skipped.count:
            print_out("No skipped image is known that nobody is served; nothing was changed.")
            return
        if not yes:
            confirm(describe_unskip(task or [], skipped))
        report_job(project, enqueue_unskip(project, task or []), wait)
