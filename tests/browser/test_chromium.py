"""The browser that the tests of pages use works, nothing of it stays, and where there is none the tests say
so."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from selenium.webdriver.common.by import By

from backend.demo.server import LabelStudioServer
from tests.browser.chromium import INSTALL, Browser, sign_in, wait
from tests.service.test_processes import eventually

ROOT = Path(__file__).resolve().parents[2]
TEST = """
import os, pathlib, signal
from tests.browser.chromium import browser

def test_it(browser, tmp_path_factory):
    browser.get("data:text/html,<p>hello")
    pathlib.Path({seen!r}).write_text(browser.find_element("tag name", "p").text)
    os.kill(os.getpid(), signal.{signal})
"""


def run_pytest(
    folder: Path, *, ends_with: signal.Signals = signal.SIGCONT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a test of its own that opens a page and gets a signal."""
    (folder / "test_page.py").write_text(TEST.format(seen=str(folder / "seen"), signal=ends_with.name))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-rs",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        "--basetemp",
        str(folder / "temporary"),
    ]
    return subprocess.run(
        [*command, "test_page.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def processes_of(folder: Path) -> list[psutil.Process]:
    """What runs with that folder in its command."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(process.info["cmdline"] or [])
    ]


def test_signed_in_by_the_form(browser: Browser, label_studio: LabelStudioServer) -> None:
    """Label Studio shows its projects to whoever logged in; another login takes its place."""
    ada = label_studio.create_user("ada@example.com")
    for account in (None, ada):
        sign_in(browser, label_studio, account)
        browser.get(f"{label_studio.url}/projects")
        wait(browser, lambda page: "Projects" in page.find_element(By.TAG_NAME, "body").text, "the projects")
        browser.get(f"{label_studio.url}/api/current-user/whoami")
        assert (account or label_studio.admin).email in browser.page_source


@pytest.mark.parametrize("ends_with", [signal.SIGCONT, signal.SIGKILL])
def test_no_process_is_left(browser: Browser, tmp_path: Path, ends_with: signal.Signals) -> None:
    """Neither after the tests nor when they are killed."""
    del browser  # without Chromium, this test cannot be
    done = run_pytest(tmp_path, ends_with=ends_with)
    assert done.returncode == (0 if ends_with == signal.SIGCONT else -signal.SIGKILL), done.stdout
    assert (tmp_path / "seen").read_text() == "hello"
    assert eventually(lambda: not processes_of(tmp_path))


def test_without_chromium(tmp_path: Path) -> None:
    """The tests are skipped, and in CI they fail, saying what to install."""
    skipped, failed = (run_pytest(tmp_path, PATH=str(tmp_path), CI=ci) for ci in ("", "true"))
    assert (skipped.returncode, failed.returncode) == (0, 1), skipped.stdout
    assert "1 skipped" in skipped.stdout
    for done in (skipped, failed):
        assert "found no chromium and no chromedriver" in done.stdout
        assert INSTALL in done.stdout
