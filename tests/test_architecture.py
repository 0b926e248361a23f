"""What every room may know."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return {name.split(".")[0] for name in names}


def test_the_science_knows_nothing_of_the_service() -> None:
    """`model` never imports `backend`, nor anything of Label Studio, HTTP or Redis."""
    foreign = {"backend", "label_studio_sdk", "label_studio_ml", "flask", "redis", "rq", "gunicorn", "httpx", "requests"}
    for path in (ROOT / "model").rglob("*.py"):
        assert not foreign & imported(path), path


def test_the_add_on_needs_nothing_but_label_studio() -> None:
    """It runs in Label Studio's own environment, which has nothing of this project; what it needs is there for Label Studio itself."""
    label_studio = {"label_studio", "core", "data_manager", "django", "rest_framework", "requests"}
    for path in (ROOT / "backend" / "label_studio_addon").rglob("*.py"):
        assert imported(path) <= label_studio | {"recompute_queries"} | sys.stdlib_module_names, path


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
