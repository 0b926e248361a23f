"""What an annotator sees in Label Studio: the recommended image first, with the model's mask drawn on it."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.annotator import Annotator
from tests.browser.chromium import Browser, wait
from tests.browser.labelling_page import LabellingPage, marked
from tests.cells import CellProject
from tests.stack import Stack, order
from tests.states import read_status


@pytest.mark.timeout(1800)
def test_a_pre_annotation_is_drawn_and_submitted(
    browser: Browser, stack: Stack, trained: CellProject, annotators: list[Annotator]
) -> None:
    """ "Label All Tasks" opens the first image of the order, the mask drawn pixel for pixel;
    Submit saves it, and the second one comes."""
    project, state = trained, read_status(trained.id)
    first, second = order(stack, project)[:2]
    assert [task["task"] for task in state["next_tasks"][:2]] == [first, second]

    page = LabellingPage(browser, stack.server, annotators[1].account, project.id)
    page.sign_in()
    browser.get(f"{stack.server.url}/projects/{project.id}/data")
    shown = wait(browser, _images_in_the_tab, "the images of the tab that opens")
    assert shown == [str(task) for task in order(stack, project)]
    page.label_all_tasks()
    _expect_with_itsmarked(page, annotators[1], first)
    _expect_the_reason(page, state["next_tasks"][0]["reason"])
    _expect_instructions(browser, f"{stack.settings.own_url}/projects/{project.id}")
    offered = _prediction(annotators[1], first)
    page.submit()
    _expect_with_itsmarked(page, annotators[1], second)
    (submitted,) = annotators[1].http.get(f"/api/tasks/{first}/").raise_for_status().json()["annotations"]
    assert (marked(submitted["result"]) == marked(offered)).all()
    stack.wait(
        lambda: read_status(project.id)["next_tasks"][0]["task"] == second, "the service to know of the label"
    )


def _expect_with_itsmarked(page: LabellingPage, annotator: Annotator, task: int) -> None:
    """The task is shown, the outliner lists its region, and what is drawn is its prediction's mask:
    there and nowhere else."""
    page.wait_for_task(task)
    wanted = marked(_prediction(annotator, task))
    assert wanted.any()

    def drawn() -> bool:
        found = page.drawn(wanted.shape)
        return float((found & wanted).sum() / (found | wanted).sum()) > 0.95

    wait(page.browser, lambda _: drawn(), f"the mask of task {task}")
    wait(
        page.browser, lambda _: len(page.regions) == 1 and "Cell" in page.regions[0], "its region in the list"
    )


def _images_in_the_tab(browser: Browser) -> list[str]:
    """Ids of the tasks of the Data Manager's open tab, in their order; each shows its image."""
    cards = browser.find_elements(By.CSS_SELECTOR, ".lsf-grid-view__cell:has(img)")
    return [card.text.split()[0] for card in cards]


def _expect_the_reason(page: LabellingPage, reason: str) -> None:
    """With its region selected, the Info panel tells why the image is the next."""
    page.select_region()
    wait(
        page.browser,
        lambda shown: reason in shown.find_element(By.TAG_NAME, "body").text,
        f"the reason {reason!r}",
    )


def _expect_instructions(browser: Browser, page: str) -> None:
    """A button shows how to correct a mask, and a link to the status page;
    nothing covers the image before it is pressed."""
    browser.find_element(By.XPATH, "//button[normalize-space()='Instructions']").click()
    link = wait(browser, lambda shown: shown.find_element(By.LINK_TEXT, "status page"), "the instructions")
    assert link.get_attribute("href") == page
    assert "select it first" in browser.find_element(By.TAG_NAME, "body").text
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    wait(
        browser, lambda shown: not shown.find_elements(By.LINK_TEXT, "status page"), "the instructions to go"
    )


def _prediction(annotator: Annotator, task: int) -> list[dict[str, object]]:
    """The regions of a task's only prediction of the order in force."""
    shown = annotator.http.get(f"/api/tasks/{task}/").raise_for_status().json()
    version = (
        annotator.http.get(f"/api/projects/{shown['project']}/").raise_for_status().json()["model_version"]
    )
    (prediction,) = [item for item in shown["predictions"] if item["model_version"] == version]
    return list(prediction["result"])
