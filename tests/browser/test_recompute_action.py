"""Recompute queries without leaving Label Studio's Data Manager."""

from __future__ import annotations

import re

import pytest
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from backend.demo.server import Account
from backend.queue.follow import follow
from tests.annotator import Annotator
from tests.browser.chromium import Browser, sign_in, wait
from tests.cells import CONFIG, CellProject
from tests.stack import Stack, order
from tests.states import read_status

ITEM = "[aria-label='Recompute queries']"
OK = "//button[normalize-space()='OK']"
TAB = "Recommended order"


def open_tab(browser: Browser, stack: Stack, project: int, title: str = TAB) -> None:
    """Open one tab of the Data Manager."""
    tab = next((view["id"] for view in stack.client.views(project) if view["data"]["title"] == title), "")
    browser.get(f"{stack.server.url}/projects/{project}/data?tab={tab}")


def open_actions(browser: Browser) -> WebElement:
    """Select the first task, as Label Studio's menu is closed without one, and open the menu;
    returns its item."""
    click(browser, By.CSS_SELECTOR, "[aria-label^='Select Task']")
    click(browser, By.CSS_SELECTOR, "button[aria-label='Tasks Actions']:enabled")
    found: WebElement = wait(browser, lambda page: page.find_element(By.CSS_SELECTOR, ITEM), "the item")
    return found


def shown_order(browser: Browser) -> list[int]:
    """Task ids of the table, from top to bottom."""
    boxes = browser.find_elements(By.CSS_SELECTOR, "[aria-label^='Select Task']")
    return [int(str(box.get_attribute("aria-label")).split()[-1]) for box in boxes]


def click(browser: Browser, by: str, place: str) -> None:
    """Click on something as soon as it is there."""

    def clicked(page: Browser) -> bool:
        page.find_element(by, place).click()
        return True

    wait(browser, clicked, place)


def notification(browser: Browser, words: str, place: str = "") -> tuple[str, str]:
    """The text at the bottom of the page, once it holds the words, and where its link leads:
    read at once, as it goes after seconds."""
    script = """
        const [words, place] = arguments;
        const items = [...document.querySelectorAll('[role=region] li')];
        const item = items.find(item => item.innerText.includes(words));
        const link = place && item?.querySelector(place);
        return item && (link || !place) ? [item.innerText, link ? link.href : ''] : null;
    """
    text, link = wait(browser, lambda page: page.execute_script(script, words, place), f"{words!r}")
    return str(text), str(link)


@pytest.mark.timeout(1200)
def test_recompute_in_the_actions_menu(browser: Browser, stack: Stack, trained: CellProject) -> None:
    """The dialog says what will happen and holds the project's settings;
    after OK the page says where to follow it.

    The round uses the budget and the strategy of the dialog, and then the page shows its order.
    """
    project, before = trained, read_status(trained.id)["round"]
    assert (before["budget"], before["strategy"]) == (2, "task_dependent")

    sign_in(browser, stack.server)
    open_tab(browser, stack, project.id)
    open_actions(browser).click()
    strategy = wait(
        browser, lambda page: page.find_element(By.CSS_SELECTOR, "[data-name=strategy]"), "the form"
    )
    wait(
        browser,
        lambda page: page.find_element(By.CSS_SELECTOR, ".lsf-counter__input").get_attribute("value"),
        "its values",
    )
    text = wait(  # it fades in
        browser, lambda page: page.find_element(By.CSS_SELECTOR, ".lsf-dialog-content").text, "its words"
    )
    for words in (
        "Compute a new order",
        "written anew",
        "takes seconds to minutes",
        "No label is changed",
        "until its batch is labelled",
    ):
        assert words in text
    budget = browser.find_element(By.CSS_SELECTOR, ".lsf-counter__input")
    assert (budget.get_attribute("value"), strategy.text) == ("2", "task_dependent")
    budget.send_keys(Keys.BACKSPACE, "3")
    strategy.click()
    click(browser, By.XPATH, "//*[@role='option'][normalize-space()='random']")
    click(browser, By.XPATH, OK)

    told, link = notification(browser, "Started: job ", "a")
    assert link == f"{stack.settings.own_url}/projects/{project.id}"
    job = re.search(r"round-\d+-\w+", told)
    assert job is not None
    assert list(follow(project.id, job[0]))[-1]["state"] == "finished"
    after = read_status(project.id)["round"]
    assert after["name"] != before["name"]
    assert "Actions menu" in after["reason"]
    assert (after["budget"], after["strategy"]) == (3, "random")
    assert [task["in_batch"] for task in read_status(project.id)["next_tasks"]][:4] == [True] * 3 + [False]
    open_tab(browser, stack, project.id)
    wait(browser, lambda page: shown_order(page) == order(stack, project), "the new order")
    assert stack.client.project(project.id).model_version == after["name"]


def test_what_cannot_be_is_said_on_the_page(
    browser: Browser, stack: Stack, annotators: list[Annotator]
) -> None:
    """A project without a backend; and a member who may not, for whom the item is grey."""
    project = int(
        stack.http.post("/api/projects", json={"title": "Alone", "label_config": CONFIG})
        .raise_for_status()
        .json()["id"]
    )
    stack.http.post(f"/api/projects/{project}/import", json=[{"data": {"image": "x.png"}}]).raise_for_status()
    sign_in(browser, stack.server)
    open_tab(browser, stack, project)
    open_actions(browser).click()
    click(browser, By.XPATH, OK)
    assert (
        f"python -m backend connect --project {project}"
        in notification(browser, "No ML backend is connected")[0]
    )
    assert not browser.find_elements(By.CSS_SELECTOR, ".lsf-dialog-content")

    member: Account = annotators[1].account
    sign_in(browser, stack.server, member)
    open_tab(browser, stack, project)
    item = open_actions(browser)
    assert item.get_attribute("aria-disabled") == "true"
    item.click()
    assert not browser.find_elements(By.CSS_SELECTOR, ".lsf-dialog-content")
