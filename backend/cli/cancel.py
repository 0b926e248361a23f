"""The command that stops what runs for a project."""

from __future__ import annotations

from backend.cli.shell import Project, Yes, confirm, handle_errors, print_out
from backend.cli.terminal import describe_cancel
from backend.settings import get_settings


def cancel(project: Project, yes: Yes = False) -> None:
    """Cancel what runs and waits for a project.

    Asks first. Model, labels and the order in force stay.
    Nothing starts again by itself until a label comes or somebody asks for it.

    Example: python -m backend cancel --project 3
    """
    from backend.project.registry import require_known_here
    from backend.project.status import read_status
    from backend.queue import project_jobs

    with handle_errors():
        require_known_here(project, get_settings())
        state = read_status(project)
        if not state.running and not state.waiting:
            print_out("Nothing is running or waiting; nothing was changed.")
            return
        if not yes:
            confirm(describe_cancel(state))
        jobs = project_jobs.cancel(project)
        print_out(f"Cancelled: {len(jobs)} jobs end within seconds." if jobs else "It has ended meanwhile.")
