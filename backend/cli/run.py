"""The commands that run the service: all of it, or one of its programs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from backend.cli.shell import handle_errors, report
from backend.errors import BackendError
from backend.logs import configure_logging
from backend.project_settings import check_encoder
from backend.run import service
from backend.run.private_folder import keep_private
from backend.run.supervisor import Supervisor
from backend.settings import Settings, read_settings

LOOK_SECONDS = 10.0
"""Between looks for a Label Studio that is away, and how long one may take."""


def up() -> None:
    """Run everything: web server, workers, scheduler, and an embedded Redis if REDIS_URL is not set.
    Ctrl-C ends it.

    Example: LABEL_STUDIO_URL=http://localhost:8080 LABEL_STUDIO_API_KEY=... python -m backend up
    """
    with handle_errors():
        settings = read_settings()
        configure_logging(settings)
        _ = settings.api_key  # says how to set it when it is missing
        check_encoder(settings.recipe)
        report("\n".join(f"{name.upper()}={value}" for name, value in settings.described.items()))
        if away := _ask_label_studio(settings):
            report(f"Warning: {away}")
        with service.alone(settings.model_dir), Supervisor() as supervisor:
            everything = service.Service(settings, say=report)
            everything.start(supervisor)
            with service.addresses(everything.settings):
                report(
                    "Ready. Connect a project with: python -m backend connect --project NUMBER (it will use"
                    f" {everything.settings.own_url})"
                )
                supervisor.watch(until=_tell_when_it_answers(settings) if away else _never)
            report("Ending.")


def web() -> None:
    """Run the web server alone, where workers and scheduler run elsewhere (`up` runs everything).
    SIGTERM ends it.

    Example: REDIS_URL=redis://... HOST=0.0.0.0 python -m backend web
    """
    with handle_errors():
        _checked_settings()
    command = service.web_command()
    os.execv(command[0], command)  # signals reach the server itself


def worker() -> None:
    """Run this machine's workers alone: WORKERS for trainings and rounds, and two for short jobs.
    SIGTERM ends them.

    Any number of machines that share REDIS_URL and STORAGE_URL may run it.

    Example: WORKERS=2 REDIS_URL=redis://... STORAGE_URL=s3://... python -m backend worker
    """
    with handle_errors():
        settings = _checked_settings()
        with Supervisor() as supervisor:
            service.Service(settings, say=report).start_workers(supervisor)
            supervisor.watch()
        report("Ended; jobs that were given up are done by other workers, or after the next start.")


def scheduler() -> None:
    """Run the scheduler alone: it gathers events, syncs the projects, and starts the nightly rounds.
    SIGTERM ends it.

    Example: REDIS_URL=redis://... python -m backend scheduler
    """
    from backend.run import scheduler

    with handle_errors():
        _checked_settings()
        scheduler.main()


def _checked_settings() -> Settings:
    """The settings of a program that runs alone.
    Raises SettingsError when the key or the Redis is not said."""
    settings = read_settings()
    configure_logging(settings)
    _ = settings.api_key, settings.redis_address
    keep_private(settings.model_dir, report)
    return settings


def _ask_label_studio(settings: Settings) -> str:
    """Tell its version and the key's user;
    returns what is the matter where it is away, as it may start later.

    Raises LabelStudioError for what does not pass by itself:
    a wrong key, an address that leads elsewhere, another program there.
    """
    from backend.errors import LabelStudioError
    from backend.labelstudio.client import LabelStudio

    try:
        client = LabelStudio(settings.label_studio_url, settings.api_key, timeout=LOOK_SECONDS, attempts=1)
        client.require_final()
        version, user = client.server_version(), client.user()
    except LabelStudioError as error:
        if not error.passing:
            raise
        return str(error)
    report(f"Label Studio {version} at {settings.label_studio_url}, as {user.get('email')}.")
    return ""


def _tell_when_it_answers(settings: Settings) -> Callable[[], bool]:
    """A condition that never holds, and tells once that Label Studio has come, or what is wrong with key or
    address then."""
    next_look: float | None = time.monotonic() + LOOK_SECONDS

    def look() -> bool:
        nonlocal next_look
        if next_look is None or time.monotonic() < next_look:
            return False
        try:
            next_look = time.monotonic() + LOOK_SECONDS if _ask_label_studio(settings) else None
        except BackendError as error:
            report(f"Error: {error} Start `python -m backend up` again then.")
            next_look = None
        return False

    return look


def _never() -> bool:
    return False
