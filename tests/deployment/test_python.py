"""`make demo` and `make test` take the newest Python that really runs, say which, and say what to do where
there is none."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALL = "sudo apt-get install python3 python3-venv"
SHIM = "echo 'pyenv: command not found' >&2; exit 127"
"""What pyenv leaves for a version that is not chosen."""
Python = Callable[..., Path]


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Install a Python that answers as a version does, with or without the package that makes environments,
    or a broken one."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "env", "readlink"):
        (programs / name).symlink_to(f"/bin/{name}")

    def install(name: str, version: str = "", *, venv: bool = True, script: str | None = None) -> Path:
        path = programs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        answer = f'case "$2" in *venv*) exit {int(not venv)};; *) echo {version} {path};; esac'
        path.write_text(f"#!/bin/bash\n{answer if script is None else script}\n")
        path.chmod(0o755)
        return path

    return install


def choose(tmp_path: Path, folder: str = ".venv", **environment: str) -> tuple[int, str, str]:
    """What the Makefile asks: exit code, the program, and what people read."""
    done = subprocess.run(
        [ROOT / ".ci" / "python", folder],
        cwd=tmp_path,
        env={"PATH": str(tmp_path / "programs"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip(), done.stderr


def test_the_newest_that_runs_is_taken_and_said(tmp_path: Path, python: Python) -> None:
    """Ubuntu 24.04 has 3.12 alone, Debian 13 has 3.13;
    a command of pyenv may be there without its version."""
    python("python3.11", "3.11")
    newer = python("python3.12", "3.12")
    python("python3.13", script=SHIM)
    assert choose(tmp_path) == (0, str(newer), f".venv: Python 3.12, {newer}\n")
    newest = python("python3.13", "3.13")
    assert choose(tmp_path)[1] == str(newest)
    assert choose(tmp_path, PYTHON=str(newer))[1] == str(newer)


def test_one_that_is_only_called_python3_will_do(tmp_path: Path, python: Python) -> None:
    assert choose(tmp_path)[0] == 1
    python("python3.12", "3.12", venv=False)
    only = python("python3", "3.13")
    assert choose(tmp_path)[1] == str(only)


@pytest.mark.parametrize(
    ("programs", "asked", "said"),
    [
        ([], "", f"Found no Python 3.11, 3.12 or 3.13. On Ubuntu 24.04, Debian 12 and later:\n  {INSTALL}"),
        (
            [("python3", "3.9", True)],
            "",
            f"(python3 is 3.9). On Ubuntu 24.04, Debian 12 and later:\n  {INSTALL}",
        ),
        ([("python3.12", "3.12", False)], "", "sudo apt-get install python3-venv python3.12-venv"),
        (
            [("python3.12", "3.12", True), ("python3.10", "3.10", True)],
            "python3.10",
            "3.10, expected a Python 3.11, 3.12 or 3.13",
        ),
        ([("python3.12", "3.12", True)], "python3.99", "it does not run"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, python: Python, programs: list[tuple[str, str, bool]], asked: str, said: str
) -> None:
    """With the command that installs it; nothing is taken in its place."""
    for name, version, venv in programs:
        python(name, version, venv=venv)
    code, program, text = choose(tmp_path, PYTHON=asked)
    assert (code, program) == (1, "")
    assert said in text


def test_an_environment_keeps_its_python(tmp_path: Path, python: Python) -> None:
    """Also when a newer one is found, and when its libraries are brought up to date;
    another one is asked for in vain, and it is said."""
    newest = python("python3.13", "3.13")
    own = python(f"{tmp_path}/.venv/bin/python", "3.11")
    assert choose(tmp_path)[1] == str(own)
    code, program, text = choose(tmp_path, PYTHON=str(newest))
    assert (code, program) == (1, "")
    assert "made with Python 3.11, and" in text
    assert "mv .venv .venv-3.11" in text


def test_an_environment_whose_python_is_gone_is_not_touched(tmp_path: Path, python: Python) -> None:
    """As after an upgrade of the system."""
    python("python3.13", "3.13")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to("/usr/bin/python3.0")
    code, program, text = choose(tmp_path)
    assert (code, program) == (1, "")
    assert "made with a Python that is gone or does not run: /usr/bin/python3.0" in text
    assert "mv .venv .venv-before" in text


def test_make_says_it_before_anything_else(tmp_path: Path) -> None:
    """In a checkout without environments, and without a Python."""
    (tmp_path / "checkout").mkdir()
    for name in ("Makefile", ".ci", "requirements.txt", "tests"):
        (tmp_path / "checkout" / name).symlink_to(ROOT / name)
    done = subprocess.run(
        ["make", "demo", f"PYTHON={tmp_path}/none"],
        cwd=tmp_path / "checkout",
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "it does not run, expected a Python 3.11, 3.12 or 3.13" in done.stderr
    assert "Installing" not in done.stdout
