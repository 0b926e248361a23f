"""Label Studio's labelling page as an annotator uses it:
with the mouse on the image, and the buttons below it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By

from backend.demo.server import Account, LabelStudioServer
from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.regions import to_mask
from tests.browser import pictures
from tests.browser.chromium import Browser, sign_in, wait
from tests.cells import CONFIG

Mask = npt.NDArray[np.bool_]
Line = Sequence[tuple[int, int]]
"""Points (x, y) in pixels of the image."""
PRESS_SECONDS = 15.0
"""Between two presses of a button; one that was taken brings the next task within a second or two."""
TINT = 15
"""Levels by which red, green and blue differ where a mask is drawn; the images are grey."""
BRUSH = 25
"""Pixels of the image around a line that its brush reaches at most."""
EDGE = 10
"""Pixels of the image at its border, where a press of the mouse does nothing."""
IMAGE = "img[alt=image]"
REGION = ".lsf-outliner-item"
UPDATE = "button[aria-label='submit']"
KEEP_ERRORS = """
    const seen = window.shownErrors = new Set();
    new MutationObserver(() => {
      for (const toast of document.querySelectorAll('[class*=toast_error]')) seen.add(toast.innerText.trim());
    }).observe(document.body, {childList: true, subtree: true, attributes: true, attributeFilter: ['class']});
"""
"""What the page shows in red goes after some seconds."""


class LabellingPage:
    """One annotator in a browser of their own, at work on one project."""

    def __init__(self, browser: Browser, server: LabelStudioServer, account: Account, project: int) -> None:
        self.browser, self.server, self.account, self.project = browser, server, account, project

    def sign_in(self) -> None:
        """Log in by the form."""
        sign_in(self.browser, self.server, self.account)

    def label_all_tasks(self) -> int:
        """Open the project and press "Label All Tasks"; returns the task that it opens."""
        self.browser.get(f"{self.server.url}/projects/{self.project}/data")
        self.browser.execute_script(KEEP_ERRORS)

        def pressed(page: Browser) -> bool:
            page.find_element(By.XPATH, "//button[normalize-space()='Label All Tasks']").click()
            return True

        wait(self.browser, pressed, "the button 'Label All Tasks'")
        return self.wait_for_task()

    @property
    def task(self) -> int:
        """The id of the task that is open."""
        return int(self.browser.find_element(By.CSS_SELECTOR, ".lsf-current-task__task-id").text.split()[0])

    @property
    def errors(self) -> list[str]:
        """What the page has shown in red since it was opened."""
        return [str(text) for text in self.browser.execute_script("return [...window.shownErrors]")]

    def wait_for_task(self, task: int | None = None) -> int:
        """Wait until a task (that one) is open and can be drawn on; returns its id."""
        loaded = (
            f"const image = document.querySelector('{IMAGE}'); return image && image.complete &&"
            " image.naturalWidth > 0"
        )

        def ready(page: Browser) -> int:
            found = self.task
            return (
                found
                if task in (None, found) and page.execute_script(loaded) and self.regions is not None
                else 0
            )

        return int(wait(self.browser, ready, f"task {task or ''}"))

    @property
    def regions(self) -> list[str]:
        """The names in the list of regions."""
        listed = f"return [...document.querySelectorAll('{REGION}')].map(item => item.innerText)"
        return [str(text) for text in self.browser.execute_script(listed)]

    def choose_label(self, name: str) -> None:
        """Click on a label, for a new region."""
        self.browser.find_element(
            By.XPATH, f"//span[contains(@class, 'lsf-label_clickable')][.//span[.='{name}']]"
        ).click()

    def select_region(self, number: int = 0) -> None:
        """Click on a region in the list; brush and eraser work on it then."""
        self.browser.find_elements(By.CSS_SELECTOR, REGION)[number].click()
        wait(
            self.browser,
            lambda page: page.find_element(By.CSS_SELECTOR, "[aria-label='eraser']").is_enabled(),
            "the eraser",
        )

    def choose_tool(self, name: str) -> None:
        """Click on "brush-tool" or "eraser" beside the image."""
        self.browser.find_element(By.CSS_SELECTOR, f"[aria-label='{name}']").click()

    def draw(self, line: Line) -> None:
        """Move the mouse along a line with the button pressed."""
        image = self.browser.find_element(By.CSS_SELECTOR, IMAGE)
        shown = image.rect["width"] / float(
            self.browser.execute_script("return arguments[0].naturalWidth", image)
        )
        places = [
            (round(x * shown - image.rect["width"] / 2), round(y * shown - image.rect["height"] / 2))
            for x, y in line
        ]
        mouse = ActionChains(self.browser, duration=20)
        mouse.move_to_element_with_offset(image, *places[0]).click_and_hold()
        for place in places[1:]:
            mouse.move_to_element_with_offset(image, *place)
        mouse.release().perform()

    def drawn(self, shape: tuple[int, ...]) -> Mask:
        """Where the page shows colour on the image, at the image's own size (height, width)."""
        place = self.browser.find_element(By.CSS_SELECTOR, IMAGE).rect
        corners = (place["x"], place["y"], place["x"] + place["width"], place["y"] + place["height"])
        shown = (
            pictures.seen(self.browser)
            .crop(tuple(map(round, corners)))
            .resize((shape[1], shape[0]), Image.Resampling.NEAREST)
        )
        colours = np.asarray(shown).astype(int)
        return np.asarray(colours.max(axis=2) - colours.min(axis=2) > TINT)

    def submit(self) -> int:
        """Press Submit; returns the next task. Fails with what the page says when it is refused."""
        return self._press("Submit current annotation")

    def skip(self) -> int:
        """Press Skip; returns the next task."""
        return self._press("skip-task")

    def postpone(self) -> int:
        """Press the arrow that leaves an image for later; returns the next task."""
        return self._press("Postpone task")

    def go_back(self) -> int:
        """Press the arrow to what was open before; returns that task."""
        return self._press("Previous task")

    def update(self) -> None:
        """Press Update, which saves a label that was submitted before;
        it is grey until something is changed, and after it is saved."""
        wait(
            self.browser,
            lambda page: page.find_element(By.CSS_SELECTOR, UPDATE).is_enabled(),
            "Update to be enabled",
        )
        self.browser.find_element(By.CSS_SELECTOR, UPDATE).click()
        wait(
            self.browser,
            lambda page: self.errors or not page.find_element(By.CSS_SELECTOR, UPDATE).is_enabled(),
            "the update",
        )
        assert self.errors == []

    def _press(self, button: str) -> int:
        # Until another task is open: a page that is busy with something else passes over a press.
        task, pressed = self.task, time.monotonic() - 2 * PRESS_SECONDS

        def gone(page: Browser) -> bool:
            nonlocal pressed
            if self.errors:
                pytest.fail(f"task {task}, {button}: {self.errors}")
            if self.task != task:
                return True
            if time.monotonic() - pressed > PRESS_SECONDS:
                page.find_element(By.CSS_SELECTOR, f"button[aria-label='{button}']:enabled").click()
                pressed = time.monotonic()
            return False

        wait(self.browser, gone, f"another task after {task}")
        return self.wait_for_task()


def marked(regions: Sequence[Mapping[str, Any]], shape: tuple[int, int] = (512, 512)) -> Mask:
    """What regions of the tests' configuration mark, for an image of that height and width."""
    return np.asarray(to_mask(regions, parse(CONFIG), shape) > 0)


def covered(mask: Mask, line: Line) -> float:
    """The share of the points of a line that a mask covers."""
    points = [
        point for start, end in pairwise(line) for point in np.linspace(start, end, 50).round().astype(int)
    ]
    return float(np.mean([mask[y, x] for x, y in points]))


def across(mask: Mask) -> Line:
    """The line through the row of a mask that holds most of it;
    where the mouse presses at the very edge, nothing happens."""
    row = EDGE + int(np.argmax(mask[EDGE:].sum(axis=1)))
    columns = np.flatnonzero(mask[row])
    assert len(columns), "the model's region marks nothing in these rows"
    first, last = np.clip(columns[[0, -1]], EDGE, mask.shape[1] - EDGE)
    return ((int(first), row), (int(last), row))


def around(line: Line, shape: tuple[int, int] = (512, 512)) -> Mask:
    """Where a brush may have marked that was moved along a line."""
    found = np.zeros(shape, dtype=bool)
    for (x, y), (to_x, to_y) in pairwise(line):
        rows = slice(max(min(y, to_y) - BRUSH, 0), max(y, to_y) + BRUSH)
        found[rows, max(min(x, to_x) - BRUSH, 0) : max(x, to_x) + BRUSH] = True
    return found


class RequestLog:
    """What Label Studio notes of each request, from now on."""

    ANSWER = re.compile(r'"(?P<request>(?:GET|POST|PUT|PATCH|DELETE) \S+) HTTP/[\d.]+" (?P<status>\d{3})')
    EXPECTED = ("GET /heidi-tips", "POST /api/dm/actions?id=next_task")
    """Answered by 404: Label Studio's own page asks for tips that the community edition has not;
    there are no more tasks."""

    def __init__(self, server: LabelStudioServer) -> None:
        self._log: Path = server.log
        self._from = self._log.stat().st_size

    def refused(self) -> list[str]:
        """The requests that were answered by 4xx or 5xx: "POST /address: 400"."""
        text = self._log.read_bytes()[self._from :].decode(errors="replace")
        answers = [(found["request"], int(found["status"])) for found in self.ANSWER.finditer(text)]
        wrong = [
            f"{request}: {status}"
            for request, status in answers
            if status >= 400 and not (status == 404 and request.startswith(self.EXPECTED))
        ]
        return list(dict.fromkeys(wrong))  # the log holds each line twice
