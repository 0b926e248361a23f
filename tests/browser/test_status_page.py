"""The status page, used as an administrator uses it:
with a real Label Studio, real rounds, and a keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By

from backend.labelstudio.order.rounds import order_title
from backend.queue.project_jobs import cancel
from tests.annotator import Annotator
from tests.browser.chromium import Browser, sign_in, wait
from tests.browser.status_page import (
    broken_words,
    emulate,
    press,
    shown_tasks,
    shows,
    text_of,
    worst_contrast,
)
from tests.cells import CellProject
from tests.stack import RECIPE, Stack, connect, order
from tests.states import list_versions, read_status

MakeProject = Callable[..., CellProject]
PHONE = 360
ENDLESS = {**RECIPE, "steps": 200_000}
"""A training that is cancelled."""


def open_page(browser: Browser, stack: Stack, project: CellProject) -> None:
    """With the password in the address, as people keep it in a bookmark:
    what the page asks for must not hold it, or fetch refuses."""
    user, password = stack.settings.basic_auth or ("", "")
    parts = urlsplit(stack.settings.own_url)
    browser.get(f"{parts.scheme}://{quote(user)}:{quote(password)}@{parts.netloc}/projects/{project.id}")


def quiet(stack: Stack, project: CellProject) -> dict[str, Any]:
    """Wait until nothing runs or waits."""

    def state() -> dict[str, Any] | None:
        found = read_status(project.id)
        return None if found["running"] or found["waiting"] or found["labels"]["waiting"] else found

    found: dict[str, Any] = stack.wait(state, "quiet")
    return found


@pytest.mark.timeout(900)
def test_an_administrators_day(
    browser: Browser,
    stack: Stack,
    make_project: MakeProject,
    annotators: list[Annotator],
) -> None:
    """From the first look to a rollback, on one page that is never loaded anew: it follows what happens."""
    project = make_project(8, "Cells of the lab")
    connect(stack, project)
    stack.wait_for_round(project.id, cold=True)
    stack.configure(project, folds=2)
    open_page(browser, stack, project)
    browser.execute_script(
        "window.neverLoadedAnew = true; window.progressSeen = new Set(); window.outcomes = []"
    )
    browser.execute_script(  # what was told, however short
        "const outcome = document.getElementById('outcome');"
        "new MutationObserver(() => window.outcomes.push(outcome.textContent))"
        ".observe(outcome, {subtree: true, childList: true, characterData: true})"
    )
    browser.execute_script(  # every value that the bar takes, however short
        "new MutationObserver(() => { const bar = document.getElementById('bar');"
        " if (bar && bar.max > 1) window.progressSeen.add(`${bar.max} ${bar.value}`) })"
        ".observe(document.getElementById('page'), {subtree: true, childList: true, attributes: true})"
    )
    shows(browser, "3 more", "#now")
    shows(browser, "looks", "#next")
    shows(browser, "no version", "#undo")
    assert shown_tasks(browser) == order(stack, project)[:10]

    annotators[0].label(project, 3)
    state = stack.wait_for_round(project.id)
    shows(browser, order_title(state["round"]["name"]).capitalize(), "#figures")
    shows(browser, "v1:", "#figures")
    shows(browser, "Ready", "#now")
    assert shown_tasks(browser) == order(stack, project)[:10]
    assert state["next_tasks"][0]["name"] in text_of(browser, ".image.first")
    assert state["next_tasks"][0]["summary"][1:] in text_of(browser, ".image.first")
    wait_for_pictures(browser)

    _look_into_the_map(browser, state)
    _recompute(browser, stack, project, state)
    _a_submit_is_measured(browser, stack, project, annotators[0])
    _cancel(browser, stack, project)
    _roll_back(browser, stack, project)
    _skip_and_put_back(browser, annotators[0])
    _export(browser)
    assert browser.execute_script("return window.neverLoadedAnew")
    _open_the_next(browser, stack, annotators[1], shown_tasks(browser)[0])


def _look_into_the_map(browser: Browser, state: dict[str, Any]) -> None:
    """By keyboard: the figure under the cursor is told in words, and is the one in the file."""
    wait(browser, lambda page: "Bold" in text_of(page, "[data-heatmap-note]"), "the map")
    press(browser, ".heatmap canvas", Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    told = text_of(browser, "#heatmap-cell")
    map_ = browser.execute_async_script(
        "const done = arguments[0], {heatmap} = document.querySelector('[data-heatmap]').dataset;"
        "fetch(new URL(heatmap, location.origin)).then(a => a.json()).then(done)"
    )
    row, column = map_["groups"][1][0], map_["groups"][2 if len(map_["groups"]) > 2 else 1][0]
    trained, predicted = map_["names"][row], map_["names"][column]
    assert told.startswith(f"Trained on {trained}, predicts {predicted}: {map_['values'][1][2] / 100:.2f}")
    assert {int(identity) for group in map_["groups"] for identity in group} >= {
        task["task"] for task in state["next_tasks"][:3]
    }


def _recompute(browser: Browser, stack: Stack, project: CellProject, before: dict[str, Any]) -> None:
    """Asked first; Escape leaves everything as it is;
    with another budget, by Enter, it runs to its end, and the page shows the order."""
    press(browser, "[data-dialog=recompute]")
    wait(browser, lambda page: page.find_element(By.ID, "dialog-recompute").is_displayed(), "the question")
    assert "No label is changed" in text_of(browser, "#dialog-recompute")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(
        browser,
        lambda page: not page.find_element(By.ID, "dialog-recompute").is_displayed(),
        "the question gone",
    )
    assert browser.switch_to.active_element.get_attribute("data-dialog") == "recompute"
    assert not text_of(browser, "#outcome")
    assert quiet(stack, project)["round"]["name"] == before["round"]["name"]

    press(browser, "[data-dialog=recompute]")
    press(browser, "#dialog-recompute [name=budget]", "3", Keys.ENTER)
    shows(browser, "Done", "#outcome")
    assert any("asked for" in told for told in browser.execute_script("return window.outcomes"))
    after = stack.wait_for_round(project.id, other_than=before["round"]["name"])
    shows(browser, order_title(after["round"]["name"]).capitalize(), "#figures")
    assert after["round"]["budget"] == 3
    assert shown_tasks(browser) == order(stack, project)[:10]
    assert len(browser.find_elements(By.CSS_SELECTOR, ".image-head .tag")) == 3


def _a_submit_is_measured(browser: Browser, stack: Stack, project: CellProject, annotator: Annotator) -> None:
    """The label of a task that showed a mask:
    live quality, a further version on the learning curve, and the next image."""
    first, second = shown_tasks(browser)[:2]
    annotator.label(project, 1)
    stack.wait(lambda: list_versions(project.id)["versions"][-1]["name"] == "v2", "a second version")
    quiet(stack, project)
    shows(browser, "median", "#figures")
    shows(browser, "Minutes", "#time")  # which was not there before
    shows(browser, "v2", "#undo")
    assert shown_tasks(browser)[0] == second
    assert f"task {first}" in str(
        browser.execute_script("return document.querySelector('#learning').textContent")
    )


def wait_for_pictures(browser: Browser) -> None:
    """Wait until every image on the page has its picture."""
    loaded = """
        const images = [...document.querySelectorAll('.picture img')];
        images.forEach(image => image.loading = 'eager');
        return images.filter(image => image.naturalWidth > 50).length;
    """
    wait(browser, lambda page: page.execute_script(loaded) == len(shown_tasks(page)), "the pictures")


def _cancel(browser: Browser, stack: Stack, project: CellProject) -> None:
    """A training that would take hours is seen to move, and ends within seconds when it is cancelled."""
    before = list_versions(project.id)
    stack.configure(project, recipe=ENDLESS, folds=0)
    quiet(stack, project)
    press(browser, "[data-dialog=train]")
    press(browser, "#dialog-train [value=yes]")
    try:
        shows(browser, "running", "#outcome")
        shows(browser, "Training", "#now")
        browser.execute_script("window.progressSeen.clear()")
        wait(
            browser,
            lambda page: page.execute_script("return window.progressSeen.size") >= 3,
            "the bar to move",
        )
        shows(browser, "left", "#now")
        _other_screens(browser)
        press(browser, "#cancel")
        press(browser, "#dialog-cancel [value=yes]")
        shows(browser, "Stopped", "#outcome")
        shows(browser, "person", "#now")
        assert "up to date" not in text_of(browser)
    finally:
        cancel(project.id)  # or all later tests would wait for its end
    stack.configure(project)
    quiet(stack, project)
    wait(browser, lambda page: not page.find_elements(By.ID, "cancel"), "nothing running")
    assert list_versions(project.id)["versions"] == before["versions"]


def _roll_back(browser: Browser, stack: Stack, project: CellProject) -> None:
    """The earlier version is in use, on the page and in Label Studio, in the same order;
    and forward again is offered."""
    found = list_versions(project.id)
    current = found["current"]
    other = next(version["name"] for version in found["versions"] if not version["current"])
    tasks = order(stack, project)
    press(browser, f"#to-{other}")
    assert f" to {other}?" in text_of(browser, "#dialog-rollback")
    press(browser, "#dialog-rollback [value=yes]")
    shows(browser, f"Done: {other} is in use instead of {current}", "#outcome")
    wait(
        browser,
        lambda page: (
            page.find_elements(By.ID, f"to-{current}") and not page.find_elements(By.ID, f"to-{other}")
        ),
        "the list",
    )
    shows(browser, f"rollback from {current}", "#undo")
    assert stack.client.project(project.id).model_version.startswith(f"{other}.r")
    assert order(stack, project) == tasks
    assert shown_tasks(browser) == tasks[:10]
    quiet(stack, project)
    wait_for_pictures(browser)


def _skip_and_put_back(browser: Browser, annotator: Annotator) -> None:
    """What the only annotator skips stands apart from the next images, until it is put back."""
    tasks = shown_tasks(browser)
    annotator.skip(tasks[0])
    shows(browser, "Skipped:", "#next")
    assert browser.find_element(By.ID, f"skipped-{tasks[0]}").text.endswith(".png")
    assert shown_tasks(browser) == tasks[1:]
    press(browser, "#unskip")
    assert "stays skipped" in text_of(browser, "#dialog-unskip")
    press(browser, "#dialog-unskip [value=yes]")
    shows(browser, f"Done: task {tasks[0]} will be served again", "#outcome")
    wait(browser, lambda _: shown_tasks(browser) == tasks, "the image to be back")


def _export(browser: Browser) -> None:
    """All masks are a file to download, without loading the page anew."""
    assert not browser.find_elements(By.ID, "download")
    press(browser, "#export-first")
    press(browser, "#dialog-export [value=yes]")
    shows(browser, "Download masks", "#masks")
    shows(browser, "Done", "#outcome")


def _other_screens(browser: Browser) -> None:
    """A phone, and the dark, while something runs: nothing is cut off, and the text is legible."""
    try:
        for width, dark in ((1280, False), (PHONE, False), (1280, True)):
            emulate(browser, width=width, height=1400, dark=dark)
            browser.execute_script(
                "document.getElementById('outcome').hidden = true; document.activeElement.blur();"
                " scrollTo(0, 0)"
            )
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            assert worst_contrast(browser) >= 4.5
            assert broken_words(browser) == []
    finally:
        emulate(browser)


def _open_the_next(browser: Browser, stack: Stack, annotator: Annotator, task: int) -> None:
    """The link of an image leads to its task in Label Studio."""
    link = str(browser.execute_script("return document.querySelector('.image.first .open a').href"))
    sign_in(browser, stack.server, annotator.account)
    browser.get(link)
    shown = ".lsf-current-task__task-id"
    wait(
        browser,
        lambda page: page.find_element(By.CSS_SELECTOR, shown).text.split()[0] == str(task),
        f"task {task} in Label Studio",
    )
