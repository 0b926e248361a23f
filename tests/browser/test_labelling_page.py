"""What an annotator sees in Label Studio: the recommended image first, with the model's mask drawn on it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from selenium.webdriver.common.by import By

from backend.jobs import status
from backend.labelstudio.config import parse
from backend.labelstudio.regions import to_mask
from tests.browser import pictures
from tests.browser.chromium import Browser, sign_in, wait
from tests.end_to_end.test_round import connect, order
from tests.stack import CONFIG, PATIENCE, Annotator, CellProject, Stack

PICTURE_RECIPE = {"width": 16, "depth": 4, "max_side": 256, "crop": 128, "batch": 4, "steps": 400, "row_steps": 40}
"""For the README's picture: a few minutes of training, so that the mask is one that annotators would keep."""
PRESS_SECONDS = 15.0
"""Between two presses of Submit; one that was taken brings the next task within a second or two."""
TINT = 15
"""Levels by which red, green and blue differ where a mask is drawn; the images are grey."""
Mask = npt.NDArray[np.bool_]


@pytest.mark.timeout(1800)
def test_a_pre_annotation_is_drawn_and_submitted(
    browser: Browser, stack: Stack, make_project: Callable[..., CellProject], annotators: list[Annotator]
) -> None:
    """ "Label All Tasks" opens the first image of the order, the mask drawn pixel for pixel; Submit saves it, and the second one comes."""
    project = make_project(12 if pictures.WANTED else 6)
    connect(stack, project)
    stack.wait_for_round(project.id, cold=True)
    if pictures.WANTED:
        stack.configure(project, recipe=PICTURE_RECIPE)
    annotators[0].label(project, 5 if pictures.WANTED else 3)
    state = stack.wait_for_round(project.id, seconds=1200 if pictures.WANTED else PATIENCE)
    first, second = order(stack, project)[:2]
    assert [task["task"] for task in state["next_tasks"][:2]] == [first, second]

    sign_in(browser, stack.server, annotators[1].account)
    browser.get(f"{stack.server.url}/projects/{project.id}/data")
    wait(browser, _label_all_tasks, "the button")
    if pictures.WANTED:
        pictures.enlarge(browser)
    _expect_with_its_mask(browser, annotators[1], first)
    if pictures.WANTED:
        pictures.keep(browser, "labelling.png")

    offered = _prediction(annotators[1], first)
    _submit(browser, first)
    _expect_with_its_mask(browser, annotators[1], second)
    (submitted,) = annotators[1].http.get(f"/api/tasks/{first}/").raise_for_status().json()["annotations"]
    assert (_mask(submitted["result"]) == _mask(offered)).all()
    stack.wait(lambda: status(project.id)["next_tasks"][0]["task"] == second, "the service to know of the label")


def _expect_with_its_mask(browser: Browser, annotator: Annotator, task: int) -> None:
    """The task is shown, the outliner lists its region, and what is drawn is its prediction's mask: there and nowhere else."""
    wait(browser, lambda page: _shown_task(page) == task, f"task {task}")
    wanted = _mask(_prediction(annotator, task))
    assert wanted.any()

    def drawn() -> bool:
        found = _drawn(browser, wanted.shape)
        return float((found & wanted).sum() / (found | wanted).sum()) > 0.95

    wait(browser, lambda _: drawn(), f"the mask of task {task}")
    listed = "return [...document.querySelectorAll('.lsf-outliner-item')].map(item => item.innerText)"
    wait(browser, lambda page: len(regions := page.execute_script(listed)) == 1 and "Cell" in regions[0], "its region in the list")


def _shown_task(browser: Browser) -> int:
    return int(browser.find_element(By.CSS_SELECTOR, ".lsf-current-task__task-id").text.split()[0])


def _submit(browser: Browser, task: int) -> None:
    """Press Submit until another task is shown: a page that is busy with something else passes over a press."""
    pressed = time.monotonic() - 2 * PRESS_SECONDS

    def gone(page: Browser) -> bool:
        nonlocal pressed
        if _shown_task(page) != task:
            return True
        if time.monotonic() - pressed > PRESS_SECONDS:
            page.find_element(By.CSS_SELECTOR, "button[aria-label='Submit current annotation']").click()
            pressed = time.monotonic()
        return False

    wait(browser, gone, f"task {task} to be submitted")


def _prediction(annotator: Annotator, task: int) -> list[dict[str, object]]:
    """The regions of the only prediction that Label Studio holds for a task."""
    (prediction,) = annotator.http.get(f"/api/tasks/{task}/").raise_for_status().json()["predictions"]
    return list(prediction["result"])


def _mask(regions: list[dict[str, object]]) -> Mask:
    return np.asarray(to_mask(regions, parse(CONFIG), (512, 512)) > 0)


def _drawn(browser: Browser, shape: tuple[int, ...]) -> Mask:
    """Where the page shows colour on the image, at the image's own size."""
    place = browser.find_element(By.CSS_SELECTOR, "img[alt=image]").rect
    corners = (place["x"], place["y"], place["x"] + place["width"], place["y"] + place["height"])
    shown = pictures.seen(browser).crop(tuple(map(round, corners))).resize((shape[1], shape[0]), Image.Resampling.NEAREST)
    colours = np.asarray(shown).astype(int)
    return np.asarray(colours.max(axis=2) - colours.min(axis=2) > TINT)


def _label_all_tasks(browser: Browser) -> bool:
    """Press the button."""
    browser.find_element(By.XPATH, "//button[normalize-space()='Label All Tasks']").click()
    return True
