"""The commands for a project: connect it, have it trained or ranked, and see how it stands."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from backend.cli.shell import MEND, AnyProject, AsJson, Project, Wait, console, explained, started, tell, tell_json
from backend.settings import check_encoder, read_settings
from backend.terminal import describe, findings


def connect(project: Project) -> None:
    """Connect a project to this service and configure it in Label Studio; safe to repeat.

    Example: python -m backend connect --project 3
    """
    from backend import project_connection
    from backend.finding import Severity
    from backend.labelstudio.client import LabelStudio

    with explained():
        settings = read_settings()
        check_encoder(settings.recipe)
        client = LabelStudio(settings.label_studio_url, settings.api_key)
        client.require_final()
        own = project_connection.own_service(settings, project_connection.instance_here(settings))
        found = project_connection.configure(settings, client, project, own)
    console.print(findings(found), end="", highlight=False, markup=False, soft_wrap=True)
    if any(finding.severity == Severity.ERROR for finding in found):
        raise typer.Exit(MEND)


def recompute(
    project: Project,
    budget: Annotated[int | None, typer.Option(help="Images to ask for in this round, in place of the project's budget.")] = None,
    strategy: Annotated[
        str | None, typer.Option(help="How this round chooses images, in place of the project's strategy (docs/settings.md lists them).")
    ] = None,
    wait: Wait = False,
) -> None:
    """Compute the order of a project's images anew, after a training if labels came since the last one.

    Example: python -m backend recompute --project 3 --wait

    Example: python -m backend recompute --project 3 --budget 10 --strategy trusted --wait
    """
    from backend import jobs
    from backend.jobs.context import open_context
    from backend.jobs.known import require_known

    with explained():
        require_known(open_context(project), ask=True)
        started(project, jobs.enqueue_round(project, "asked for on the command line", budget=budget, strategy=strategy), wait)


def train(project: Project, wait: Wait = False) -> None:
    """Train a new model version of a project on all labels now; it is put in use unless it is clearly worse.

    Example: python -m backend train --project 3 --wait
    """
    from backend import jobs
    from backend.jobs.context import open_context
    from backend.jobs.known import require_known

    with explained():
        require_known(open_context(project), ask=True)
        started(project, jobs.enqueue_training(project, reason="asked for on the command line"), wait)


def status(project: AnyProject = None, as_json: AsJson = False) -> None:
    """Tell version, labels, round, next images, and what runs; as JSON of all projects, an object from project number to state.

    Example: python -m backend status --project 3

    Example: python -m backend status --json
    """
    from backend import jobs
    from backend.jobs import events
    from backend.jobs.connection import check, connection
    from backend.jobs.known import require_known_here

    with explained():
        settings = read_settings()
        check(settings)
        if project is not None:
            require_known_here(project, settings)
        known = events.projects(connection(settings))
        states: dict[int, dict[str, Any]] = {number: jobs.status(number) for number in ([project] if project is not None else known)}
    if as_json:
        tell_json(states[project] if project is not None else states)
    elif not states:
        tell("No project is connected yet; python -m backend connect --project NUMBER connects one.")
    for state in states.values() if not as_json else ():
        tell(describe(state))
