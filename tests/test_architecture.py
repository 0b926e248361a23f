"""What every room may know."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

ROOMS = [
    "model.errors",
    "model.arrays",
    "model.exit_codes",
    "model.files",
    "model.options",
    "model.reason",
    "model.forecast",
    "model.hashing",
    "model.machine",
    "model.stop_signals",
    "model.class_file",
    "model.data.images",
    "model.data.masks",
    "model.data",
    "model.export",
    "model.network",
    "model.pixels",
    "model.saved_model",
    "model.similarity",
    "model.selection",
    "model.strategies",
    "model.experiment.record",
    "model.experiment.evaluation",
    "model.experiment",
    "model.cli",
    "model.__main__",
    "backend.errors",
    "backend.proxy",
    "backend.stopping",
    "backend",
    "backend.setting_checks",
    "backend.project_settings",
    "backend.settings",
    "backend.cores",
    "backend.finding",
    "backend.logs",
    "backend.labelstudio.http",
    "backend.labelstudio.labels",
    "backend.labelstudio",
    "backend.labelstudio.order",
    "backend.store",
    "backend.labelstudio.connect",
    "backend.queue",
    "backend.project",
    "backend.project.labels",
    "backend.jobs.masks",
    "backend.export",
    "backend.jobs.round",
    "backend.jobs",
    "backend.run",
    "backend.health",
    "backend.doctor",
    "backend.cli",
    "backend.__main__",
    "backend.metrics",
    "backend.web",
    "backend.web.pages",
    "backend.app",
    "backend.demo",
]
"""A room is a folder, or a file beside the folders.
Each imports from rooms before it, never from one after it."""
MOST_MODULES = 15
MOST_LINES = 350


def room_of(module: str) -> str:
    """The room that a dotted name lies in: the folder of a module or of a name in one;
    itself at the top of a package."""
    parts = module.split(".")
    while parts and not (ROOT.joinpath(*parts).is_dir() or ROOT.joinpath(*parts).with_suffix(".py").exists()):
        parts.pop()
    inside = len(parts) > 2 and not ROOT.joinpath(*parts).is_dir()
    return ".".join(parts[:-1] if inside else parts)


def imported_rooms(path: Path) -> set[str]:
    """The rooms of this project that a file imports from, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("backend", "model"):
            found |= {room_of(f"{node.module}.{alias.name}") for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {
                room_of(alias.name)
                for alias in node.names
                if alias.name.split(".")[0] in ("backend", "model")
            }
    return found


def own_files(package: str) -> list[Path]:
    """The files of a package; the add-on is a package of Label Studio's."""
    return [path for path in (ROOT / package).rglob("*.py") if "label_studio_addon" not in path.parts]


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return {name.split(".")[0] for name in names}


def test_the_science_knows_nothing_of_the_service() -> None:
    """`model` never imports `backend`, nor anything of Label Studio, HTTP or Redis."""
    foreign = {
        "backend",
        "label_studio_sdk",
        "label_studio_ml",
        "flask",
        "redis",
        "rq",
        "gunicorn",
        "httpx",
        "requests",
    }
    for path in (ROOT / "model").rglob("*.py"):
        assert not foreign & imported(path), path


def test_a_library_that_takes_seconds_to_load_is_loaded_where_somebody_asks_for_its_encoders() -> None:
    """segmentation_models_pytorch brings torchvision, timm and torch's compiler."""
    slow = {"segmentation_models_pytorch", "timm", "torchvision"}
    using = {path for package in ("model", "backend") for path in own_files(package) if slow & imported(path)}
    assert using == {ROOT / "model" / "network" / "unet.py"}
    (unet,) = using
    for node in ast.parse(unet.read_text()).body:
        assert not isinstance(node, ast.Import | ast.ImportFrom) or "segmentation" not in ast.unparse(node)


def test_the_add_on_needs_nothing_but_label_studio() -> None:
    """It runs in Label Studio's own environment, which has nothing of this project;
    what it needs is there for Label Studio itself."""
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
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    top = {name.split("/")[0] for name in tracked if name and not name.startswith(".")}
    assert top <= expected


@pytest.mark.parametrize("package", ["model", "backend"])
def test_imports_point_one_way(package: str) -> None:
    """So there are no circles between rooms, and what a room may use can be read from its place in the
    list."""
    for path in own_files(package):
        room = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
        for other in imported_rooms(path) - {room}:
            assert ROOMS.index(other) < ROOMS.index(room), f"{path.relative_to(ROOT)} imports from {other}"


@pytest.mark.parametrize("package", ["model", "backend"])
def test_a_room_can_be_seen_at_a_glance(package: str) -> None:
    for folder in {path.parent for path in own_files(package)}:
        modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= MOST_MODULES, f"{folder.relative_to(ROOT)}: {len(modules)} modules"


def test_state_is_typed() -> None:
    """A dictionary of anything is only what others send as JSON, and our own files as they are read."""
    files = {path: path.read_text().count("dict[str, Any]") for path in (ROOT / "backend").rglob("*.py")}
    assert sum(files.values()) <= 40, {str(path): count for path, count in files.items() if count}


TESTS = sorted((ROOT / "tests").rglob("*.py"))


def private_names(path: Path) -> list[str]:
    """What a file reads or imports of others by a name that begins with one underscore."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found += [alias.name for alias in node.names]
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls", "os"):
            found.append(node.attr)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setattr"):
            names = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
            found += [name.split(".")[-1] for name in names if isinstance(name, str)]
    return [name for name in found if name.startswith("_") and not name.startswith("__")]


def test_tests_read_what_is_public() -> None:
    """What a module keeps to itself may change without a test."""
    assert not {path: names for path in TESTS if (names := private_names(path))}


def test_a_file_of_tests_is_about_one_thing() -> None:
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in TESTS}
    assert not {name for name, count in lines.items() if count > MOST_LINES}
