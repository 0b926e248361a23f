"""Who may look at the pages and act on them, and what others can make of them."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from redis import Redis

from backend.app import create_app
from backend.queue import pending_work, project_jobs
from backend.queue.connection import Keys
from backend.queue.pending_work import Work
from backend.store.storage import Storage
from backend.store.versions import Versions
from tests.service.conftest import AUTH, Web, use_settings
from tests.service.pages.conftest import FOLDER, PAGE, PROJECT, ROUND, enqueued, page, words


def test_what_comes_from_people_is_text_on_the_page(web: Web, full: Storage, redis: Redis) -> None:
    """Titles, reasons, file names, warnings and errors hold what anybody wrote."""
    redis.hset(Keys(PROJECT).notes, "config", "<script>alert(1)</script>")
    redis.hset(
        Keys(PROJECT).errors,
        "round",
        json.dumps({"job": "j", "kind": "round", "message": '"><img src=x onerror=1>', "time": 1.0}),
    )
    full.write_json(
        f"{FOLDER}/rounds/{ROUND}/pictures.json",
        {"tasks": {"20": {"name": "<svg onload=1>", "picture": True}}},
    )
    text = page(web)
    assert "Axons &lt;b&gt;&amp; co" in text
    for raw in ("<b>", "<script>alert", "<img src=x", "<svg onload", "images <i>"):
        assert raw not in text
    for shown in ("<script>alert(1)</script>", '"><img src=x onerror=1>', "<svg onload=1>"):
        assert shown in words(text)


def test_pages_may_load_nothing_foreign_and_not_be_framed(web: Web, full: Storage) -> None:
    del full
    answer = httpx.get(f"{web.url}/projects/{PROJECT}", headers=PAGE, auth=AUTH, timeout=60)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert (answer.headers["X-Frame-Options"], answer.headers["X-Content-Type-Options"]) == (
        "DENY",
        "nosniff",
    )
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=|\sstyle=|javascript:", answer.text)
    assert set(re.findall(r'(?:src|href)="(https?://[^/"]+)', answer.text)) == {web.settings.label_studio_url}
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_without_the_password_nothing_is_shown_or_done(web: Web, full: Storage, redis: Redis) -> None:
    del full
    addresses = (
        "/",
        f"/projects/{PROJECT}",
        "/pages/page.js",
        f"/projects/{PROJECT}/rounds/{ROUND}/pictures/20.jpg",
    )
    for auth in (None, (AUTH[0], "wrong")):
        with httpx.Client(base_url=web.url, auth=auth, timeout=60) as client:
            assert [client.get(address).status_code for address in addresses] == [401] * 4
            assert client.post(f"/projects/{PROJECT}/recompute").status_code == 401
    assert enqueued(redis) == 0


class Browser:
    """What a browser sends: the password to whoever asks, the cookie, and where a request comes from."""

    def __init__(self, web: Web) -> None:
        self.client = httpx.Client(base_url=web.url, auth=AUTH, timeout=60)
        text = self.client.get(f"/projects/{PROJECT}", headers=PAGE).text
        match = re.search(r'name="csrf-token" content="([^"]+)"', text)
        assert match
        self.token = match[1]
        self.own = {"Origin": web.url, "Sec-Fetch-Site": "same-origin", "X-CSRF-Token": self.token}

    def post(
        self, action: str, headers: dict[str, str], body: dict[str, Any] | None = None
    ) -> httpx.Response:
        return self.client.post(f"/projects/{PROJECT}/{action}", headers=headers, json=body or {})


ACTIONS: dict[str, dict[str, Any]] = {
    "recompute": {"budget": 3},
    "train": {},
    "cancel": {},
    "unskip": {"tasks": [20]},
    "rollback": {"version": "v1"},
}


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://[evil"},
    {"Origin": "", "Referer": "https://evil.example/page"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_page_may_act(web: Web, full: Storage, redis: Redis, action: str) -> None:
    del full
    answer = Browser(web).post(action, Browser(web).own, ACTIONS[action])
    assert answer.status_code == 403  # the token of another browser
    browser = Browser(web)
    answer = browser.post(action, browser.own, ACTIONS[action])
    assert answer.status_code == (200 if action == "cancel" else 202), answer.text
    assert enqueued(redis) == (0 if action == "cancel" else 1)
    if action != "cancel":
        look = browser.client.get(f"/projects/{PROJECT}/jobs/{answer.json()['job']}").json()
        assert look["state"] == "queued"
    for unknown in ("none", "no.such"):
        assert browser.client.get(f"/projects/{PROJECT}/jobs/{unknown}").status_code == 404


@pytest.mark.parametrize("action", ["recompute", "train", "rollback"])
def test_records_tell_where_a_button_was_pressed(web: Web, full: Storage, redis: Redis, action: str) -> None:
    """On the page, in Label Studio's menu (which sends the name of its program), or by a program."""
    del full
    browser = Browser(web)
    told = []
    for headers in (browser.own, {"User-Agent": "heartex/1.23.2"}, {}):
        answer = browser.post(action, headers, ACTIONS[action])
        job = project_jobs.fetch(redis, answer.json()["job"])
        assert job
        told.append(job.args[-1 if action != "rollback" else 2])
        job.delete()
    assert all(
        word in text for word, text in zip(("status page", "Label Studio", "program"), told, strict=True)
    )
    assert len(set(told)) == 3


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("foreign", FOREIGN)
def test_another_site_may_not_act_even_with_the_token(
    web: Web, full: Storage, redis: Redis, action: str, foreign: dict[str, str]
) -> None:
    del full
    browser = Browser(web)
    answer = browser.post(action, browser.own | foreign, ACTIONS[action])
    assert answer.status_code == 403
    assert "expected a page of this service" in answer.json()["message"]
    assert "PUBLIC_URL" in answer.json()["message"]
    assert enqueued(redis) == 0


@pytest.mark.parametrize("token", [None, "", "0" * 64, "\xfc"])
def test_a_browser_without_the_token_may_not_act(
    web: Web, full: Storage, redis: Redis, token: str | None
) -> None:
    del full
    browser = Browser(web)
    headers = {name: value for name, value in browser.own.items() if name != "X-CSRF-Token"}
    for own in (headers, {"Referer": f"{web.url}/projects/{PROJECT}"}):
        answer = browser.client.post(
            f"/projects/{PROJECT}/recompute",
            headers=[
                (name.encode(), value.encode("latin-1"))
                for name, value in (own | ({} if token is None else {"X-CSRF-Token": token})).items()
            ],
        )
        assert answer.status_code == 403
        assert "reload the page" in answer.json()["message"]
    assert enqueued(redis) == 0


def test_other_sites_reach_no_other_address_either(web: Web, full: Storage, redis: Redis) -> None:
    """A form of another site can post text to any address, with the password that the browser keeps."""
    del full
    body = json.dumps({"action": "START_TRAINING", "project": {"id": PROJECT}})
    headers = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    assert web.client.post("/webhook", content=body, headers=headers).status_code == 403
    assert (enqueued(redis), pending_work.pending(redis, PROJECT, Work.ROUND).wanted) == (0, 0)


def test_without_a_password_only_known_names_of_this_machine_may_act(
    full: Storage, web: Web, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A foreign name that is led to this address (DNS rebinding) gets neither our page nor its token, and may
    not act."""
    del full
    told = web.settings
    app = create_app(
        use_settings(
            monkeypatch, redis_url=told.redis_url, model_dir=told.model_dir, label_studio_api_key="none"
        )
    )
    for host, expected in (("evil.example:9090", 403), ("127.0.0.1:9090", 202), ("localhost:9090", 202)):
        browser = app.test_client()
        page = browser.get(
            f"/projects/{PROJECT}", headers=PAGE | {"Host": host}, base_url=f"http://{host}"
        ).text
        match = re.search(r'name="csrf-token" content="([^"]+)"', page)
        assert (match is not None) is (expected == 202)
        signs = {
            "Origin": f"http://{host}",
            "Sec-Fetch-Site": "same-origin",
            "X-CSRF-Token": match[1] if match else "",
        }
        assert (
            browser.post(
                f"/projects/{PROJECT}/recompute", headers=signs, json={}, base_url=f"http://{host}"
            ).status_code
            == expected
        )
    assert enqueued(redis) == 1


def test_scripts_need_no_token(web: Web, full: Storage, redis: Redis) -> None:
    """As documented: POST /projects/<id>/recompute -> 202 {"job": ...}."""
    del full
    answer = httpx.post(f"{web.url}/projects/{PROJECT}/recompute", auth=AUTH, timeout=60)
    assert answer.status_code == 202
    assert answer.json()["job"].startswith("round-")
    assert enqueued(redis) == 1


def test_wrong_wishes_are_refused_with_what_is_known(web: Web, full: Storage, redis: Redis) -> None:
    browser = Browser(web)
    for action, body, told in (
        ("recompute", {"budget": 0}, "budget"),
        ("recompute", {"strategy": "magic"}, "task_dependent"),
        ("rollback", {"version": "v9"}, "v1"),
        ("rollback", {}, "version"),
    ):
        answer = browser.post(action, browser.own, body)
        assert answer.status_code in (400, 404, 422), (body, answer.text)
        assert told in answer.json()["message"]
    assert enqueued(redis) == 0
    assert Versions(full, PROJECT).current() == "v1"
