"""What tests of every room share."""

import gc
import os
import secrets
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from backend.demo.server import Account, LabelStudioServer
from backend.run.processes import free_port
from backend.settings import get_settings
from tests.annotator import annotators
from tests.browser.chromium import browser
from tests.cells import cells, large_cells
from tests.object_store import object_store
from tests.projects import make_project, trained
from tests.stack import stack

# A machine that stalls for a moment is no defect of an example.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

SETTINGS = Path(__file__).parent / "label_studio_settings"
_STARTED = time.monotonic()

__all__ = [
    "annotators",
    "browser",
    "cells",
    "large_cells",
    "make_project",
    "object_store",
    "stack",
    "trained",
]


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which tests stay together in one process, since they share what they started:
    those of a file, and those of a folder that ask for the whole service or for its web server.

    Groups whose tests may take longest come first, so that all processes end at the same time.
    """
    longest: dict[str, float] = {}
    for item in items:
        limit = item.get_closest_marker("timeout")
        group = _group(item)
        item.add_marker(pytest.mark.xdist_group(group))
        longest[group] = max(longest.get(group, 0.0), float(limit.args[0]) if limit else 0.0)
    items.sort(key=lambda item: -longest[_group(item)])


def _group(item: pytest.Item) -> str:
    shares = {"stack", "page_server", "protocol_server"} & set(getattr(item, "fixturenames", ()))
    return str((item.path.parent if shares else item.path).relative_to(Path(__file__).parent))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded until the first test is never garbage:
    looking through its million objects, whenever some are made, takes seconds of each process."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


_ended: dict[str, float] = {}
"""When each process of pytest-xdist has reported last, in seconds since the start."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember when a process was at work."""
    if (node := getattr(report, "node", None)) is not None:
        _ended[node.gateway.id] = time.monotonic() - _STARTED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell when each process came to its end: one that waits for the others costs time."""
    if _ended:
        ends = ", ".join(f"{name} after {seconds:.0f} s" for name, seconds in sorted(_ended.items()))
        terminalreporter.write_line(f"the last test ended in {ends}")


@pytest.fixture(autouse=True)
def settings_of_now() -> None:
    """Each test reads the settings anew:
    one before it in the same process may have had others, which are kept for the process's life."""
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the repository;
    absent on a lab's machine, required where CI=true."""
    return _shared("data")


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The folder of small inputs that went wrong once, each with its right answer;
    absent and required as `shared_data`."""
    return _shared("cases")


def _shared(name: str) -> Path:
    folder = Path(__file__).resolve().parents[2] / "shared" / name
    if not folder.is_dir():
        message = f"shared files are not at {folder}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder


class QuickLabelStudio(LabelStudioServer):
    """A Label Studio that checks passwords at once."""

    def environment(self) -> dict[str, str]:
        """With settings of the tests, which add to the add-on's."""
        found = super().environment()
        path = os.pathsep.join([found["PYTHONPATH"], str(SETTINGS)])
        return found | {"PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "quick_passwords"}


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudioServer]:
    """A real Label Studio on a free port, started once for all tests that ask for it;
    they share it, so each makes its own project.

    `url`, `token` (legacy, of the administrator), `admin`, `data_dir`, `files` (put images there),
    `share_folder(project, folder)`, `address(file)`.
    """
    admin = Account("admin@example.com", secrets.token_urlsafe(12), secrets.token_hex(20))
    server = QuickLabelStudio(tmp_path_factory.mktemp("label-studio"), admin, port=free_port())
    with pytest.MonkeyPatch.context() as environment:
        for name in ("ML_CONNECTION_TIMEOUT", "ML_TIMEOUT_HEALTH", "ML_TIMEOUT_SETUP", "WEBHOOK_TIMEOUT"):
            environment.setenv(
                name, "30"
            )  # of its requests to the service, 1 to 3 s otherwise: a machine may stall for so long
        server.start()
        yield server
    server.stop()
