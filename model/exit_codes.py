"""How a command ends, for scripts; the same in `python -m model` and `python -m backend`.

A command that is interrupted ends with 128 + the number of the signal, as in shells: 130 after Ctrl-C.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit code of a command."""

    DONE = 0
    FAILED = 1  # it had begun, and could not be finished; or a person cancelled it
    FIX = 2  # something about the input, the settings or the surroundings has to be fixed first


CODES = (
    "Exit codes: 0 done, 1 failed or cancelled, 2 something to fix, which the message names, 130 interrupted."
)
"""For the help of every command."""
