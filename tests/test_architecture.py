"""What every room may know."""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_science_knows_nothing_of_the_service() -> None:
    """`model` never imports `backend`, nor anything of Label Studio, HTTP or Redis."""
    foreign = {"backend", "label_studio_sdk", "label_studio_ml", "flask", "redis", "rq", "gunicorn", "httpx", "requests"}
    for path in (ROOT / "model").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not foreign & {name.split(".")[0] for name in names}, path


def test_the_top_level_holds_only_what_is_expected_there() -> None:
    expected = {
        "backend",
        "model",
        "tests",
        "docs",
        "docker-compose.yml",
        "Dockerfile",
        "requirements.txt",
        "README.md",
        "Makefile",
        "pyproject.toml",
    }
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    top = {name.split("/")[0] for name in tracked if name and not name.startswith(".")}
    assert top <= expected
