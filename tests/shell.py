"""Commands of the service as a person types them, or as a remedy names them."""

from __future__ import annotations

import shlex

from typer.testing import CliRunner, Result

from backend.cli import app


def shell(command: str, answer: str = "", **environment: str) -> Result:
    """What `python -m backend ...` prints and ends with, in a wide terminal, on the answer to its questions;
    raises what no command may end with."""
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "backend"], command
    done = CliRunner().invoke(app, words[3:], input=answer, env={"COLUMNS": "300", **environment})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done
