"""`python -m backend`: see backend/cli/."""

from model import stop_signals

stop_signals.end_at_once()

from backend.cli import app  # noqa: E402 - it takes a second, in which Ctrl-C may come

app(prog_name="python -m backend")
