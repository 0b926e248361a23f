"""The commands for the versions of a project's model: list them, and put another one in use."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from backend.cli.shell import (
    AsJson,
    Project,
    Wait,
    Yes,
    confirm,
    handle_errors,
    print_json,
    print_out,
    report_job,
)
from backend.cli.terminal import describe_rollback, versions_table
from backend.settings import get_settings


def versions(project: Project, as_json: AsJson = False) -> None:
    """List the versions of a project's model:
    which is in use, how good each is, and why it was put in use or not.

    An asterisk marks the version in use.
    Held-out dice is measured on labels that the measured networks had not seen.

    Example: python -m backend versions --project 3
    """
    from backend.project.registry import require_known_here
    from backend.project.version_list import list_versions

    with handle_errors():
        require_known_here(project, get_settings())
        found = list_versions(project)
    if as_json:
        print_json(found.to_dict())
    else:
        print_out(versions_table(found))


def rollback(
    project: Project,
    version: Annotated[
        str, typer.Argument(help="Version to put in use, such as v3; python -m backend versions lists them.")
    ],
    reason: Annotated[
        str, typer.Option(help="Why, for the history that versions shows.")
    ] = "asked for on the command line",
    yes: Yes = False,
    wait: Wait = False,
) -> None:
    """Put another version of the model in use, older or newer, and show its masks in Label Studio;
    the order of the tasks stays.

    Asks first. Nothing is deleted: the way back is the same command with the other version.
    A round that runs is stopped, and begins anew afterwards with the version in use.
    A training that runs goes on; its version is compared to the one in use then.

    Example: python -m backend rollback --project 3 v2 --wait

    Example: python -m backend rollback --project 3 v2 --yes --reason "v3 draws the background"
    """
    from backend.project.registry import require_known_here
    from backend.project.version_list import plan_rollback
    from backend.queue.enqueue import enqueue_rollback

    with handle_errors():
        require_known_here(project, get_settings())
        plan = plan_rollback(project, version)
        if plan.nothing_to_do:
            print_out(f"{version} is in use already; nothing was changed.")
            return
        if not yes:
            confirm(describe_rollback(plan))
        report_job(project, enqueue_rollback(project, version, reason=reason, who=_user()), wait)


def _user() -> str:
    """Who asks, as far as this machine knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""
