"""The status page while it is open:
what it renews, what it leaves alone, and what it says when it cannot look. The states are made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from redis import Redis
from rq.job import JobStatus
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By

from backend.queue import connection, project_jobs
from backend.store.storage import Storage
from backend.store.version_record import VersionRecord
from backend.store.versions import Versions
from tests.browser.chromium import WINDOW, Browser, wait
from tests.browser.status_page import press, shows, text_of
from tests.service.conftest import AUTH, Web, defaults, redis, redis_server, web
from tests.service.pages.conftest import FOLDER, PROJECT, ROUND, full, storage

__all__ = ["defaults", "full", "redis", "redis_server", "storage", "web"]
INFO = connection.Keys(PROJECT).info


@pytest.fixture
def page(browser: Browser, web: Web) -> Iterator[Browser]:
    """The page of a project, open in a laptop's window."""
    browser.set_window_size(1280, 700)
    browser.get(f"{web.url.replace('//', f'//{AUTH[0]}:{quote(AUTH[1])}@')}/projects")
    browser.get(f"{web.url}/projects/{PROJECT}")
    yield browser
    browser.set_window_size(*WINDOW)


def put_in_use(storage: Storage, name: str) -> None:
    """A further version."""
    record = VersionRecord(
        name, "job", "2026-11-23T10:00:00+00:00", ("Axon",), {"1": "a"}, 0, {}, held_out_dice=0.8
    )
    storage.write_json(f"{FOLDER}/versions/{name}/model.json", {"record": record.to_dict()})
    Versions(storage, PROJECT).make_current(name, by="training")


def ask(page: Browser, opener: str, dialog: str) -> str:
    """Press a button and read its question."""
    press(page, opener)
    wait(
        page,
        lambda page: page.find_element(By.ID, f"dialog-{dialog}").is_displayed(),
        f"the question {dialog}",
    )
    return text_of(page, f"#dialog-{dialog}")


def answer(page: Browser, key: str = Keys.ESCAPE) -> None:
    page.switch_to.active_element.send_keys(key)


def test_questions_tell_of_the_versions_and_settings_of_now(
    storage: Storage, redis: Redis, page: Browser
) -> None:
    """On a page that was opened before the first model, and with a question that is open meanwhile."""
    assert "the place of none" in ask(page, "[data-dialog=train]", "train")
    answer(page)
    put_in_use(storage, "v1")
    shows(page, "in use", "#undo")
    assert "the place of v1" in ask(page, "[data-dialog=train]", "train")
    answer(page)

    assert "the project's 5" in ask(page, "[data-dialog=recompute]", "recompute")
    page.switch_to.active_element.send_keys("4")
    put_in_use(storage, "v2")
    redis.hset(
        INFO,
        mapping={
            "extra_params": json.dumps({"budget": 9, "strategy": "random"}),
            "title": "Nerves",
            "labelled": "4",
        },
    )
    shows(page, "Nerves", "h1")
    shows(page, "4 of 12 images", "#heading")
    assert page.title.startswith("Nerves")
    assert page.find_element(By.CSS_SELECTOR, "#dialog-recompute [name=budget]").get_attribute("value") == "4"
    answer(page)
    told = ask(page, "[data-dialog=recompute]", "recompute")
    assert "the project's 9" in told
    assert "the project's (random)" in told
    answer(page)
    assert "v1 takes the place of v2" in ask(page, "#to-v1", "rollback")


def test_the_outcome_is_in_sight_of_the_button(full: Storage, page: Browser) -> None:
    put_in_use(full, "v2")
    ask(page, "#to-v1", "rollback")
    press(page, "#dialog-rollback [value=yes]")
    shows(page, "It waits for a worker", "#outcome")
    place = page.execute_script("return document.getElementById('outcome').getBoundingClientRect().toJSON()")
    height, scrolled = page.execute_script("return [innerHeight, scrollY]")
    assert scrolled > height, "the button is far below the top"
    assert 0 <= place["top"] < place["bottom"] <= height


def test_what_a_job_has_made_is_shown_though_the_page_never_saw_it_run(
    full: Storage, redis: Redis, page: Browser
) -> None:
    """An export of a few images ends between two looks, and stands in no figure of the state."""
    page.execute_script(
        "const real = window.fetch, state = page.dataset.state; window.fetch = (where, ...more) =>"
        " String(where).endsWith('/status') ? Promise.resolve(new Response(state)) : real(where, ...more)"
    )
    ask(page, "#export-first", "export")
    press(page, "#dialog-export [value=yes]")
    shows(page, "It waits for a worker", "#outcome")
    (waiting,) = project_jobs.all_jobs(redis, PROJECT)
    about = {"file": "masks-7.zip", "time": "", "bytes": 3, "format": "png", "summary": "3 labels"}
    full.write_json(f"{FOLDER}/export/about.json", about | {"problems": [], "problem_count": 0})
    waiting.set_status(JobStatus.FINISHED)
    shows(page, "Download masks-7.zip", "#masks")


def test_the_keyboard_stays_where_it_was(full: Storage, redis: Redis, page: Browser) -> None:
    """And what was unfolded stays so, when every part of the page is renewed."""
    del full
    for place in ("task-22", "helped-by-22", "map", "versions", "open", "submits-summary"):
        press(page, f"#{place}", *((Keys.ENTER,) if place == "submits-summary" else (Keys.SHIFT,)))
        page.execute_script(
            "originals.clear(); document.querySelectorAll('[data-live]').forEach(part => { part.dataset.old ="
            " 'yes' })"
        )
        redis.hset(INFO, "title", place)
        page.execute_script("follow()")
        shows(page, place, "h1")
        assert not page.find_elements(By.CSS_SELECTOR, "[data-old]")
        assert page.execute_script("return document.activeElement.id") == place
    assert page.find_element(By.ID, "submits").get_attribute("open")


def test_it_tells_when_it_cannot_look_and_when_it_can_again(
    full: Storage, redis: Redis, page: Browser
) -> None:
    del full
    page.execute_script(
        "const later = window.setTimeout; window.setTimeout = (what, pause) => later(what, pause / 10)"
    )
    page.execute_script(
        "window.real = window.fetch; window.fetch = () => Promise.reject(new TypeError('gone'))"
    )
    shows(page, "Not connected since", "#away")
    assert "the service does not answer" in text_of(page, "#away")
    page.execute_script("window.fetch = () => Promise.resolve(new Response('', {status: 401}))")
    shows(page, "reload it and give the password again", "#away")
    page.execute_script("window.fetch = window.real")
    redis.hset(INFO, "title", "Back")
    shows(page, "Back", "h1")
    wait(page, lambda page: not page.find_element(By.ID, "away").is_displayed(), "no word of it")


def test_a_long_name_takes_two_lines(full: Storage, page: Browser) -> None:
    full.write_json(
        f"{FOLDER}/rounds/{ROUND}/pictures.json",
        {"tasks": {"21": {"name": "long name " * 24, "picture": False}}},
    )
    page.refresh()
    lines = (
        "const name = document.querySelector('.file'); return name.clientHeight /"
        " parseFloat(getComputedStyle(name).lineHeight)"
    )
    assert page.execute_script(lines) < 2.5
