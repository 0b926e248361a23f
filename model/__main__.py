"""The science from the command line: `python -m model rank` and `python -m model experiment`."""

from __future__ import annotations

from model.cli import app

app(prog_name="python -m model")
