"""The service's commands: options declared once, a call into the rooms, and what people want to read about it."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console

from backend import service
from backend.errors import BackendError, SettingsError
from backend.logs import configure_logging
from backend.settings import Settings, get_settings, read_settings
from backend.supervisor import Supervisor
from backend.terminal import describe, findings, follow_with_bar

FAILED = 1
"""Exit code when a job failed or was cancelled."""
MEND = 2
"""Exit code when the input or the surroundings have to be mended."""

HELP = "The Label Studio backend that tells a lab which images to label next. Settings come from the environment."

app = typer.Typer(no_args_is_help=True, add_completion=False, help=HELP, pretty_exceptions_enable=False)
console = Console()
errors = Console(stderr=True)
log = logging.getLogger(__name__)

Project = Annotated[int, typer.Option(help="Number of the project in Label Studio (in its address: /projects/NUMBER).")]
Wait = Annotated[bool, typer.Option("--wait", help="Stay until it is done, showing the step, the rows and the time left.")]


@app.command()
def up() -> None:
    """Run everything: web server, workers, scheduler, and an embedded Redis if REDIS_URL is not set. Ctrl-C ends it.

    Example: LABEL_STUDIO_URL=http://localhost:8080 LABEL_STUDIO_API_KEY=... python -m backend up
    """
    with _explained():
        settings = read_settings()
        configure_logging(settings)
        _ = settings.api_key  # says how to set it when it is missing
        _say("\n".join(f"{name.upper()}={value}" for name, value in settings.described.items()))
        _try_label_studio(settings)
        signal.signal(signal.SIGTERM, _exit)
        with service.alone(settings.model_dir), Supervisor() as supervisor:
            everything = service.Service(settings, say=_say)
            everything.start(supervisor)
            with service.addresses(everything.settings):
                _say(
                    f"Ready. Connect a project with: python -m backend connect --project NUMBER (it will use {everything.settings.own_url})"
                )
                supervisor.watch()
            _say("Ending.")


@app.command()
def web() -> None:
    """Run the web server alone, where workers and scheduler run elsewhere (`up` runs everything). SIGTERM ends it.

    Example: REDIS_URL=redis://... HOST=0.0.0.0 python -m backend web
    """
    with _explained():
        _checked_settings()
    command = service.web_command()
    os.execv(command[0], command)  # signals reach the server itself


@app.command()
def worker() -> None:
    """Run this machine's workers alone: WORKERS for trainings and rounds, and one for short jobs. SIGTERM ends them.

    Any number of machines that share REDIS_URL and STORAGE_URL may run it.

    Example: WORKERS=2 REDIS_URL=redis://... STORAGE_URL=s3://... python -m backend worker
    """
    with _explained():
        settings = _checked_settings()
        signal.signal(signal.SIGTERM, _exit)
        with Supervisor() as supervisor:
            service.Service(settings, say=_say).start_workers(supervisor)
            supervisor.watch()
        _say("Ended; jobs that were given up are done by other workers, or after the next start.")


@app.command()
def scheduler() -> None:
    """Run the scheduler alone: it gathers events, has projects looked at, and starts the nightly rounds. SIGTERM ends it.

    Example: REDIS_URL=redis://... python -m backend scheduler
    """
    from backend.jobs import schedule

    with _explained():
        signal.signal(signal.SIGTERM, _exit)  # the first program of a container has no handler of its own
        _checked_settings()
        schedule.main()


@app.command()
def share() -> None:
    """Give what MODEL_DIR holds to STORAGE_URL: once, when a machine that worked alone is joined by others. Safe to repeat.

    Example: STORAGE_URL=s3://bucket/folder python -m backend share
    """
    from backend.storage import Storage

    with _explained():
        settings = read_settings()
        if settings.storage_url is None:
            raise SettingsError("STORAGE_URL is not set; set it to the storage that the machines share, such as s3://bucket/folder.")
        storage = Storage.of(settings)
        console.print(f"{storage.put_missing('projects')} files given to {storage}; all others were there.", highlight=False)


@app.command()
def connect(project: Project) -> None:
    """Connect a project to this service and configure it in Label Studio; safe to repeat.

    Example: python -m backend connect --project 3
    """
    from backend.labelstudio.client import LabelStudio
    from backend.labelstudio.connect import Severity, configure

    with _explained():
        settings = read_settings()
        client = LabelStudio(settings.label_studio_url, settings.api_key)
        found = configure(client, project, service.own_url(settings), settings.basic_auth)
    console.print(findings(found), end="", highlight=False, markup=False)
    if any(finding.severity == Severity.ERROR for finding in found):
        raise typer.Exit(MEND)


@app.command()
def recompute(
    project: Project,
    budget: Annotated[int | None, typer.Option(help="Images to ask for in this round, in place of the project's budget.")] = None,
    strategy: Annotated[str | None, typer.Option(help="How this round chooses images, in place of the project's strategy.")] = None,
    wait: Wait = False,
) -> None:
    """Compute the order of a project's images anew.

    Example: python -m backend recompute --project 3 --budget 10 --strategy trusted --wait
    """
    from backend import jobs

    with _explained():
        _started(project, jobs.enqueue_round(project, "asked for on the command line", budget=budget, strategy=strategy), wait)


@app.command()
def train(project: Project, wait: Wait = False) -> None:
    """Train a new model version of a project on all labels now.

    Example: python -m backend train --project 3 --wait
    """
    from backend import jobs

    with _explained():
        _started(project, jobs.enqueue_training(project, reason="asked for on the command line"), wait)


@app.command()
def status(
    project: Annotated[int | None, typer.Option(help="Number of the project in Label Studio; all known projects if left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for scripts: project to its state.")] = False,
) -> None:
    """Tell version, labels, round, next images, and what runs.

    Example: python -m backend status --project 3
    """
    from backend import jobs
    from backend.jobs.connection import PROJECTS, check, connection

    with _explained():
        settings = read_settings()
        check(settings)
        known = sorted(int(member) for member in connection(settings).smembers(PROJECTS))
        states: dict[int, dict[str, Any]] = {number: jobs.status(number) for number in ([project] if project is not None else known)}
    if as_json:
        typer.echo(json.dumps(states[project] if project is not None else states, indent=2))
    elif not states:
        console.print("No project is connected yet; python -m backend connect --project NUMBER connects one.", highlight=False)
    for state in states.values() if not as_json else ():
        console.print(describe(state), highlight=False, markup=False)


def _started(project: int, job: str, wait: bool) -> None:
    """Tell which job was started and, if asked, follow it to its end. Exits with FAILED when it failed or was cancelled."""
    from backend import jobs

    if not wait:
        console.print(f"Started job {job}; python -m backend status --project {project} tells how far it is.", highlight=False)
        return
    last = follow_with_bar(jobs.follow(project, job), errors)
    console.print(f"{last['state'].capitalize()}: {last.get('message') or job}", highlight=False, markup=False)
    if last["state"] != "finished":
        raise typer.Exit(FAILED)


def _checked_settings() -> Settings:
    """The settings of a program that runs alone. Raises SettingsError when the key or the Redis is not said."""
    settings = read_settings()
    configure_logging(settings)
    _ = settings.api_key, settings.redis_address
    return settings


def _try_label_studio(settings: Settings) -> None:
    """Warn, and go on, when Label Studio cannot be used now: it may start later."""
    from backend.errors import LabelStudioError
    from backend.labelstudio.client import LabelStudio

    try:
        version = LabelStudio(settings.label_studio_url, settings.api_key, timeout=10, attempts=1).server_version()
    except LabelStudioError as error:
        _say(f"Warning: {error}")
    else:
        _say(f"Label Studio {version} at {settings.label_studio_url}.")


def _say(text: str) -> None:
    """Tell the terminal; a line of the log where programs read it."""
    if get_settings().log_json:
        log.info(text)
    else:
        errors.print(text, highlight=False, markup=False, soft_wrap=True)


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn errors that a user can mend into one line and an exit code; a traceback means a defect of ours."""
    try:
        yield
    except BackendError as error:
        errors.print(f"Error: {error}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(MEND) from error
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None
