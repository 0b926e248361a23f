"""What all commands share: how they speak, what their options mean, and with which exit code they end."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from redis.exceptions import RedisError
from rich.console import Console

from backend.cli.terminal import follow_with_bar
from backend.errors import BackendError
from backend.settings import get_settings
from model import stop_signals
from model.errors import ModelError
from model.exit_codes import ExitCode

FAILED, FIX = ExitCode.FAILED, ExitCode.FIX

console = Console()
errors = Console(stderr=True)
log = logging.getLogger(__name__)

Project = Annotated[
    int, typer.Option(min=1, help="Number of the project in Label Studio (in its address: /projects/NUMBER).")
]
AnyProject = Annotated[
    int | None,
    typer.Option(min=1, help="Number of the project in Label Studio; all known projects if left out."),
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Stay until it is done, showing the step, the rows and the time left.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")]


def print_out(text: str) -> None:
    """What a command found, on standard output; lines are not broken, so that scripts can read them."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def report(text: str) -> None:
    """Tell the terminal what goes on; a line of the log where programs read it."""
    if get_settings().log_json:
        log.info(text)
    else:
        print_err(text)


def print_err(text: str) -> None:
    """Tell on standard error."""
    errors.print(text, highlight=False, markup=False, soft_wrap=True)


def print_json(content: Any) -> None:
    """For scripts."""
    typer.echo(json.dumps(content, indent=2))


def report_job(project: int, job: str, wait: bool) -> None:
    """Tell which job was started and, if asked, follow it to its end.
    Exits with FAILED when it failed or was cancelled."""
    from backend.queue.follow import follow

    if not wait:
        print_out(f"Started job {job}; python -m backend status --project {project} tells how far it is.")
        return
    last = follow_with_bar(follow(project, job), errors)
    print_out(f"{last['state'].capitalize()}: {last.get('message') or job}")
    if last["state"] != "finished":
        raise typer.Exit(FAILED)


def is_asked() -> bool:
    """Whether somebody sits at a terminal and can answer."""
    return sys.stdin is not None and sys.stdin.isatty()  # None where a script has closed it


def confirm(text: str) -> None:
    """Ask; ends the command unless the answer is yes."""
    if not is_asked():
        print_err(f"{text}\nError: found no terminal to ask on, expected one or --yes; nothing was changed.")
        raise typer.Exit(FIX)
    print_err(text)
    errors.print("Go on? [y/N] ", end="", markup=False, highlight=False)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        print_err("Nothing was changed.")
        raise typer.Exit(FAILED)


@contextmanager
def handle_errors() -> Iterator[None]:
    """Turn errors that a user can fix into one line and an exit code; a traceback means a defect of ours."""
    try:
        with stop_signals.raised():
            yield
    except (BackendError, ModelError) as error:
        print_err(f"Error: {error}")
        raise typer.Exit(FIX) from error
    except RedisError as error:
        print_err(
            f"Error: Redis does not answer ({error}); start it, or correct REDIS_URL. python -m backend"
            " doctor looks at everything."
        )
        raise typer.Exit(FIX) from error
    except stop_signals.Stopped as stopped:
        raise typer.Exit(stopped.exit_code) from None
