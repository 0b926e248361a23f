"""The service's commands:
options declared once, a call into the rooms, and what people want to read about it."""

from __future__ import annotations

import typer

from backend.cli import cancel, disconnect, doctor, export, projects, run, share, skips, versions
from backend.cli.shell import FAILED, FIX
from model.exit_codes import CODES

__all__ = ["FAILED", "FIX", "app"]

HELP = (
    "The Label Studio backend that tells a lab which images to label next. Settings come from the"
    " environment."
)

app = typer.Typer(no_args_is_help=True, add_completion=False, help=HELP, pretty_exceptions_enable=False)
for command in (
    run.up,
    run.web,
    run.worker,
    run.scheduler,
    projects.connect,
    disconnect.disconnect,
    projects.recompute,
    projects.train,
    projects.status,
    cancel.cancel,
    export.export,
    skips.unskip,
    versions.versions,
    versions.rollback,
    doctor.doctor,
    share.share,
):
    app.command(epilog=CODES)(command)
