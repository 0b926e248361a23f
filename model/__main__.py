"""The science from the command line: `python -m model rank` and `python -m model experiment`."""

from __future__ import annotations

from model import stop_signals

stop_signals.end_at_once()

from model.machine import limit_threads  # noqa: E402 - after the line above

limit_threads()

from model.cli.app import app  # noqa: E402 - it takes seconds, in which Ctrl-C may come

app(prog_name="python -m model")
