"""`make check` tells of known vulnerabilities where they can be looked up, and of nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

AUDIT = Path(__file__).resolve().parents[2] / ".ci" / "audit.py"
CLEAN = {"name": "flask", "version": "3.1.3", "vulns": []}
SKIPPED = {"name": "flask", "skip_reason": "Dependency not found on PyPI"}


def hole(*names: str) -> dict[str, Any]:
    vulnerability = {"id": names[0], "aliases": list(names[1:]), "fix_versions": ["9.0"], "description": ""}
    return {"name": "pillow", "version": "1.0", "vulns": [vulnerability]}


@pytest.mark.parametrize(
    ("dependencies", "code", "words"),
    [
        ([CLEAN, SKIPPED], 0, "of 1 of 2 packages: 0 new"),
        ([CLEAN, hole("PYSEC-2026-1", "CVE-2026-1")], 1, "pillow 1.0: PYSEC-2026-1, fixed in: 9.0"),
        ([hole("PYSEC-2026-1", "waitress 3.0.2")], 0, "0 new"),  # as any name that the list holds
        ([SKIPPED], 0, "cannot be looked up here (Dependency not found on PyPI). By hand: 20"),
        (None, 0, "cannot be looked up here (no route to host). By hand: 20"),
    ],
    ids=["none", "a new one", "a judged one", "no answers", "no network"],
)
def test_what_is_known_is_told(
    tmp_path: Path, dependencies: list[dict[str, Any]] | None, code: int, words: str
) -> None:
    """Only a new one fails; `pip-audit` is one that answers as recorded, as PyPI may not."""
    recorded, program = tmp_path / "answer.json", tmp_path / "pip-audit"
    recorded.write_text(
        "" if dependencies is None else json.dumps({"dependencies": dependencies, "fixes": []})
    )
    program.write_text(f"#!/bin/sh\ncat {recorded}\necho no route to host >&2\nexit 1\n")
    program.chmod(0o755)
    command = [sys.executable, str(AUDIT), str(program), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, words in done.stdout) == (code, True), done.stdout + done.stderr
