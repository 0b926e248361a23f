"""Both command lines end with the same exit codes, and say so in their help."""

import pytest
import typer
from typer.testing import CliRunner

from backend.cli import app as service
from model.cli.app import app as science
from model.exit_codes import CODES, ExitCode

BOTH = [service, science]


@pytest.mark.parametrize("app", BOTH, ids=["service", "science"])
@pytest.mark.parametrize("given", ["--no-such-option", "no-such-command"])
def test_what_is_not_understood_is_to_be_fixed(app: typer.Typer, given: str) -> None:
    assert CliRunner().invoke(app, [given]).exit_code == ExitCode.FIX


@pytest.mark.parametrize("app", BOTH, ids=["service", "science"])
def test_every_command_tells_them(app: typer.Typer) -> None:
    names = [each.name or each.callback.__name__ for each in app.registered_commands if each.callback]
    assert names
    for name in names:
        shown = CliRunner().invoke(app, [name, "--help"]).output
        assert CODES in " ".join(shown.replace("│", " ").split()), name
