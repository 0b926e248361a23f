"""A headless Chromium of this machine, driven over WebDriver, that leaves no process behind however the tests
end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver import ChromeOptions, Remote
from selenium.webdriver.remote.command import Command
from selenium.webdriver.support.ui import WebDriverWait

from backend.demo.server import Account, LabelStudioServer
from backend.run.processes import Program, free_port
from tests import accounts

PROGRAMS = ("chromium", "chromedriver")
BLANK = "data:,"
"""What a Chromium shows that has just started."""
INSTALL = "apt-get install chromium chromium-driver"
WINDOW = (1400, 900)
PATIENCE = 120.0
"""Seconds that a test waits for something on a page: the machine may be busy."""
FLAGS = (
    "--headless=new",
    "--incognito",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-breakpad",
    "--no-first-run",
)


class Browser(Remote):
    """A Chromium that can be started again; it keeps no cookies then."""

    def __init__(self, url: str, options: ChromeOptions) -> None:
        super().__init__(url, options=options)
        self._asked = options.to_capabilities()

    def begin_anew(self) -> None:
        """Start Chromium again."""
        self.execute(Command.QUIT)
        self.start_session(self._asked)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium with a profile of its own, shared by all tests:
    each begins with `browser.get` or `sign_in`."""
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A Chromium with its profile in a folder. Without Chromium the test that asks is skipped;
    where CI=true it fails."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        message = f"found no {' and no '.join(missing)}, which tests of pages need; install them: {INSTALL}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    program, driver = (str(shutil.which(program)) for program in PROGRAMS)
    options = ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={WINDOW[0]},{WINDOW[1]}"):
        options.add_argument(flag)
    url = f"http://127.0.0.1:{(port := free_port())}"
    # Not selenium's own Service: under a keeper the browser ends also when the tests are killed.
    running = Program("chromedriver", [driver, f"--port={port}"], log=folder / "chromedriver.log").start()
    try:
        running.wait_until(lambda: _ready(url), timeout=PATIENCE)
        options.timeouts = {"pageLoad": 1000 * round(PATIENCE)}
        started = Browser(url, options)
        yield started
        started.quit()
    finally:
        running.stop()


def _ready(url: str) -> bool:
    try:
        return bool(httpx.get(f"{url}/status", timeout=5).json()["value"]["ready"])
    except httpx.HTTPError:
        return False


def wait(
    browser: Browser, condition: Callable[[Browser], Any], what: str, *, seconds: float = PATIENCE
) -> Any:
    """Wait until something holds on the page (errors such as "no such element" count as "not yet");
    returns what the condition did."""
    return WebDriverWait(browser, seconds, ignored_exceptions=[Exception]).until(
        condition, f"waited {seconds:.0f} s for {what} on {browser.current_url}"
    )


def sign_in(browser: Browser, server: LabelStudioServer, account: Account | None = None) -> None:
    """Log in to Label Studio (default: the administrator), in place of whoever was logged in.

    By its form, but outside the browser, which takes over the session: its page of the log-in and the one
    behind it take two seconds of processor time. Logging out first is not enough: the session is a cookie,
    and a late answer to a request of the page before brings it back.
    """
    account = account or server.admin
    if browser.current_url != BLANK:
        browser.begin_anew()
    browser.get(f"{server.url}/health")  # cookies are taken for the address that is shown
    with closing(accounts.sign_in(server, account)) as session:
        for cookie in session.cookies.jar:
            browser.add_cookie({"name": cookie.name, "value": cookie.value, "path": cookie.path})
