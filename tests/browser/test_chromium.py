"""The browser that the tests of pages use works, nothing of it stays, and where there is none the tests say
so."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.browser.chromium import INSTALL, Browser, chromium
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
TEST = """
import os, pathlib, signal
from tests.browser.chromium import browser

def test_it(browser, tmp_path_factory):
    browser.get("data:text/html,<p>hello")
    pathlib.Path({seen!r}).write_text(browser.find_element("tag name", "p").text)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def processes_of(folder: Path) -> list[psutil.Process]:
    """What runs with that folder in its command."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(process.info["cmdline"] or [])
    ]


def test_no_process_is_left(browser: Browser, tmp_path: Path) -> None:
    """When the tests are killed."""
    del browser  # without Chromium, this test cannot be
    (tmp_path / "test_page.py").write_text(TEST.format(seen=str(tmp_path / "seen")))
    options = [
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        "--basetemp",
        str(tmp_path / "temporary"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_page.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stdout
    assert (tmp_path / "seen").read_text() == "hello"
    assert eventually(lambda: not processes_of(tmp_path))


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_chromium(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    """The tests are skipped, and in CI they fail, saying what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with (
        pytest.raises(outcome, match=f"found no chromium and no chromedriver.*{INSTALL}"),
        chromium(tmp_path),
    ):
        pass
