"""The command that undoes what `connect` has changed."""

from __future__ import annotations

import typer

from backend.cli.shell import FIX, Project, Yes, confirm, console, handle_errors, print_out
from backend.cli.terminal import describe_disconnection, findings
from backend.settings import read_settings


def disconnect(project: Project, yes: Yes = False) -> None:
    """Undo in Label Studio what connecting has changed, and look after the project no longer.

    Says what it will change, and asks first. A setting that a person has changed since stays.
    No label is touched, and models stay: connect brings the project back.

    Example: python -m backend disconnect --project 3
    """
    from backend.finding import Severity
    from backend.labelstudio.client import LabelStudio
    from backend.project import connection
    from backend.queue import pending_work
    from backend.queue.connection import check
    from backend.queue.connection import connection as redis

    with handle_errors():
        settings = read_settings()
        check(settings)
        client = LabelStudio(settings.label_studio_url, settings.api_key)
        client.require_final()
        own = connection.own_service(settings, connection.instance_here(settings))
        plan = connection.plan_disconnection(settings, client, project, own)
        if not plan.changes:
            stays = "".join(f" It stays as it is: {text}." for text in plan.stays)
            print_out(f"Project {project} has nothing in Label Studio that connecting has made.{stays}")
            if project not in pending_work.projects(redis(settings)):
                return
        if not yes:
            confirm(describe_disconnection(plan))
        found = connection.disconnect(settings, redis(settings), client, project, own)
    console.print(findings(found), end="", highlight=False, markup=False, soft_wrap=True)
    if any(finding.severity is Severity.ERROR for finding in found):
        raise typer.Exit(FIX)
    print_out(
        f"Project {project} is disconnected; to connect it again: python -m backend connect --project"
        f" {project}"
    )
