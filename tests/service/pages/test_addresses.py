"""Where pages lie and lead to, under whatever address they are read."""

from __future__ import annotations

import re

import pytest
from redis import Redis

from backend.app import create_app
from backend.queue.connection import PROJECTS, Keys
from backend.store.storage import Storage
from tests.service.conftest import Web, use_settings
from tests.service.pages.conftest import FOLDER, PAGE, PROJECT, ROUND, page, words


def test_nothing_on_the_page_is_reached_twice_by_keyboard(web: Web, full: Storage) -> None:
    """The picture leads to where its title leads;
    and all that can have the focus has an id, by which it is found again when renewed."""
    full.write_json(
        f"{FOLDER}/rounds/{ROUND}/pictures.json", {"tasks": {"20": {"name": "x" * 240, "picture": True}}}
    )
    text = page(web)
    body = re.search(r'<section id="now".*</section>', text, re.DOTALL)
    assert body
    places = re.findall(r"<(?:a|button|summary|canvas)\b[^>]*>|<\w+[^>]* tabindex[^>]*>", body[0])
    assert len(places) > 20
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for place in places:
        assert (' id="' in place) != ('tabindex="-1"' in place), place
    assert f'title="{"x" * 240}"' in text


@pytest.mark.parametrize("address", ["/projects", "/projects/"])
def test_people_are_led_to_the_list_of_projects(web: Web, full: Storage, address: str) -> None:
    del full
    answer = web.get(address, headers=PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert web.get(address).json() == {"projects": [PROJECT]}


@pytest.mark.parametrize("address", ["/projects/abc", "/nothing/here", f"/projects/{PROJECT}/nothing"])
def test_people_get_a_page_for_an_address_that_is_none(web: Web, full: Storage, address: str) -> None:
    del full
    assert "All projects" in page(web, address, 404)
    assert web.get(address).json()["error"] == "Not Found"


def test_the_list_of_projects_and_what_programs_get_instead(web: Web, full: Storage) -> None:
    del full
    text = page(web, "/")
    assert f'href="/projects/{PROJECT}"' in text
    assert "Ready for labels" in text
    assert web.get("/").json()["status"] == "UP"
    assert words(page(web, "/projects/404", 404)).count("python -m backend connect --project 404") == 1


def links(text: str) -> set[str]:
    """The paths that a page leads to or loads, without what stands behind them."""
    return set(re.findall(r'(?:href|src|action)="([^"#?]+)', text))


@pytest.mark.parametrize(
    ("public", "told", "expected"),
    [
        (None, "https://lab.example.org/ls/", "https://lab.example.org/ls"),
        ("https://other.example.org/ls/", "https://lab.example.org/ls", "https://other.example.org/ls"),
        (
            None,
            "http://localhost:8080",
            "http://127.0.0.1:9/inside",
        ),  # what it tells where nobody has set LABEL_STUDIO_HOST
        (None, "javascript:alert(1)", "http://127.0.0.1:9/inside"),
    ],
)
def test_links_to_label_studio_keep_its_sub_path(
    web: Web,
    full: Storage,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    public: str | None,
    told: str,
    expected: str,
) -> None:
    """Workers may reach it at another address than browsers."""
    del full
    redis.hset(Keys(PROJECT).info, "hostname", told)
    folder = {"redis_url": web.settings.redis_url, "model_dir": web.settings.model_dir}
    app = create_app(
        use_settings(
            monkeypatch,
            **folder,
            label_studio_url="http://127.0.0.1:9/inside",
            label_studio_public_url=public,
        )
    )
    text = app.test_client().get(f"/projects/{PROJECT}", headers=PAGE).text
    assert {link for link in links(text) if link.endswith("/data")} == {f"{expected}/projects/{PROJECT}/data"}


@pytest.mark.parametrize(
    ("path", "host"), [("/next/projects/{}", "127.0.0.1:9090"), ("/projects/{}", "lab.example.org")]
)
def test_the_pages_keep_the_sub_path_of_the_service(
    web: Web, full: Storage, monkeypatch: pytest.MonkeyPatch, path: str, host: str
) -> None:
    """PUBLIC_URL=https://lab.example.org/next: a proxy passes the sub-path on, or takes it off."""
    del full
    folder = {"redis_url": web.settings.redis_url, "model_dir": web.settings.model_dir}
    app = create_app(use_settings(monkeypatch, **folder, public_url="https://lab.example.org/next"))
    text = app.test_client().get(path.format(PROJECT), headers=PAGE | {"Host": host}).text
    own = {link for link in links(text) if link.startswith("/")}
    assert own
    assert all(link.startswith("/next/") for link in own)
    plain = app.test_client().get(f"/projects/{PROJECT}", headers=PAGE | {"Host": "127.0.0.1:9090"}).text
    assert not any(link.startswith("/next") for link in links(plain))


def test_looking_at_a_project_does_not_connect_it(web: Web, full: Storage, redis: Redis) -> None:
    """Any page of the web can make a browser send a GET."""
    redis.srem(PROJECTS, str(PROJECT))
    assert web.get(f"/projects/{PROJECT}/status").status_code == 200
    assert not redis.sismember(PROJECTS, str(PROJECT))
    del full
