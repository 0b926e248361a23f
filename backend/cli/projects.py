"""The commands for a project: connect it, have it trained or ranked, and see how it stands."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.shell import (
    FIX,
    AnyProject,
    AsJson,
    Project,
    Wait,
    Yes,
    confirm,
    console,
    handle_errors,
    is_asked,
    print_err,
    print_json,
    print_out,
    report_job,
)
from backend.cli.terminal import describe, describe_connection, findings
from backend.project_settings import check_encoder
from backend.settings import read_settings


def connect(
    project: Project,
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be changed.")] = False,
) -> None:
    """Connect a project to this service and configure it in Label Studio; safe to repeat.

    Says what it will change, and asks first where there is a terminal to ask on. disconnect undoes it.

    Example: python -m backend connect --project 3

    Example: python -m backend connect --project 3 --dry-run
    """
    from backend.finding import Severity
    from backend.labelstudio.client import LabelStudio
    from backend.project import connection

    with handle_errors():
        settings = read_settings()
        check_encoder(settings.recipe)
        client = LabelStudio(settings.label_studio_url, settings.api_key)
        client.require_final()
        own = connection.own_service(settings, connection.instance_here(settings))
        plan = connection.plan_connection(settings, client, project, own)
        if dry_run:
            print_out(describe_connection(plan, project))
            return
        if plan and not yes:
            if is_asked():
                confirm(describe_connection(plan, project))
            else:
                print_err(describe_connection(plan, project))
        found = connection.configure(settings, client, project, own)
    console.print(findings(found), end="", highlight=False, markup=False, soft_wrap=True)
    if any(finding.severity == Severity.ERROR for finding in found):
        raise typer.Exit(FIX)
    print_out(
        f"Project {project} is connected. Next: open it in Label Studio and click Label All Tasks. What"
        f" happens, and why an image is next: {own.pages}/projects/{project}"
    )


def recompute(
    project: Project,
    budget: Annotated[
        int | None, typer.Option(help="Images to ask for in this round, in place of the project's budget.")
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help=(
                "How this round chooses images, in place of the project's strategy (docs/settings.md lists"
                " them)."
            )
        ),
    ] = None,
    wait: Wait = False,
) -> None:
    """Compute a new order of a project's images, after a training if labels came since the last one.

    Example: python -m backend recompute --project 3 --wait

    Example: python -m backend recompute --project 3 --budget 10 --strategy trusted --wait
    """
    from backend.project.context import open_context
    from backend.project.registry import require_known
    from backend.queue.enqueue import enqueue_round

    with handle_errors():
        require_known(open_context(project), ask=True)
        report_job(
            project,
            enqueue_round(project, "asked for on the command line", budget=budget, strategy=strategy),
            wait,
        )


def train(project: Project, wait: Wait = False) -> None:
    """Train a new model version of a project on all labels now; it is put in use unless it is clearly worse.

    Example: python -m backend train --project 3 --wait
    """
    from backend.project.context import open_context
    from backend.project.registry import require_known
    from backend.queue.enqueue import enqueue_training

    with handle_errors():
        require_known(open_context(project), ask=True)
        report_job(project, enqueue_training(project, reason="asked for on the command line"), wait)


def status(project: AnyProject = None, as_json: AsJson = False) -> None:
    """Tell version, labels, round, next images, and what runs;
    as JSON of all projects, an object from project number to state.

    Example: python -m backend status --project 3

    Example: python -m backend status --json
    """
    from backend.project.registry import require_known_here
    from backend.project.status import read_status
    from backend.queue import pending_work
    from backend.queue.connection import check, connection

    with handle_errors():
        settings = read_settings()
        check(settings)
        if project is not None:
            require_known_here(project, settings)
        known = pending_work.projects(connection(settings))
        states = {number: read_status(number) for number in ([project] if project is not None else known)}
    if as_json:
        told = {number: state.to_dict() for number, state in states.items()}
        print_json(told[project] if project is not None else told)
    elif not states:
        print_out("No project is connected yet; python -m backend connect --project NUMBER connects one.")
    for state in states.values() if not as_json else ():
        print_out(describe(state))
