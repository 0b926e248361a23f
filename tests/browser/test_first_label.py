"""Where a lab begins: nothing is labelled, and somebody draws on one image.
Seconds later the next ones carry masks, in an order that says why."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from selenium.webdriver.common.by import By

from tests.annotator import Annotator, no_training
from tests.browser.chromium import Browser, wait
from tests.browser.labelling_page import LabellingPage, across, marked
from tests.cells import CellProject, Cells
from tests.stack import Stack, connect, order
from tests.states import read_status


@pytest.mark.timeout(900)
def test_the_first_label_brings_masks_and_an_order_that_says_why(
    browser: Browser,
    stack: Stack,
    make_project: Callable[..., CellProject],
    large_cells: Cells,
    annotators: list[Annotator],
) -> None:
    project = make_project(12, "First label", cells=large_cells)
    connect(stack, project)
    stack.configure(project, live=True, budget=2)
    before = stack.wait_for_round(project.id, cold=True)
    ada, ben = (LabellingPage(browser, stack.server, each.account, project.id) for each in annotators[:2])
    with no_training(project.id):
        ada.sign_in()
        task = ada.label_all_tasks()
        assert task == before["next_tasks"][0]["task"]
        assert ada.regions == []
        ada.choose_label("Cell")
        ada.draw(across(marked(project.regions(task))))
        ada.submit()
        submitted = time.monotonic()
        stack.wait_for_round(project.id)
        print(f"a new order {time.monotonic() - submitted:.1f} s after Submit")

        places = order(stack, project)
        assert task not in places
        ben.sign_in()
        task = ben.label_all_tasks()
        assert task in places[:2]  # the other annotator has one open
        wait(browser, lambda _: len(ben.regions) == 1, "the model's region")
        wait(browser, lambda _: ben.drawn((512, 512)).any(), "the model's mask")
        (reason,) = [each["reason"] for each in read_status(project.id)["next_tasks"] if each["task"] == task]
        ben.select_region()
        wait(
            browser,
            lambda page: reason in page.find_element(By.TAG_NAME, "body").text,
            f"the reason {reason!r}",
        )
