"""The commands: options declared once, a library call, and what people want to read about it."""

from __future__ import annotations

from collections.abc import Callable

import typer

from model.cli.compare import compare_command
from model.cli.predict import predict_command
from model.cli.rank import rank_command
from model.cli.studies import converge_command, experiment_command, transfer_command
from model.exit_codes import CODES

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    help=(
        "Which images to label next? Rank your own (rank), and see on labelled ones whether it pays"
        " (converge, experiment, compare, transfer)."
    ),
    pretty_exceptions_enable=False,
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "rank": rank_command,
    "predict": predict_command,
    "experiment": experiment_command,
    "compare": compare_command,
    "converge": converge_command,
    "transfer": transfer_command,
}
for _name, _command in _COMMANDS.items():
    app.command(name=_name, epilog=CODES)(_command)
