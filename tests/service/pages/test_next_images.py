"""The next images on the status page: their order, reasons and pictures."""

from __future__ import annotations

import re

from redis import Redis

from backend.queue.connection import Keys
from backend.queue.task_names import keep_names
from backend.store.storage import Storage
from tests.service.conftest import Web
from tests.service.pages.conftest import FOLDER, PROJECT, ROUND, page, part, words


def test_it_tells_what_is_next_and_why_and_how_good_the_model_is(web: Web, full: Storage) -> None:
    del full
    shown = page(web)
    for name, told in (
        ("heading", ("3 of 12",)),
        (
            "next",
            ("task 31", "in words <i> of an earlier release", "Postpone", "colleague", "task_dependent"),
        ),
        ("figures-20", ("0.52", "0.61", "1 image")),
        ("figures", ("0.52 → 0.62", "0.64", "0.83", "12 images, 12", "v1", "0.70")),
        ("versions", ("v1", "in use")),
        ("open", ("Label Studio",)),
    ):
        for text in told:
            assert text in part(shown, name), (name, text)
    assert 'class="verdict label"' in shown


def test_an_order_that_raises_the_mean_is_told_as_such(web: Web, full: Storage) -> None:
    """As `coverage` makes it: on the page, and to programs."""
    path = f"{FOLDER}/rounds/{ROUND}/record.json"
    record = full.read_json(path) or {}
    record["strategy"] = "coverage"
    record["notes"] = {"mean_before": 0.52, "value": 0.62, "upper_bound": 0.64}
    record["queries"]["20"]["reason"] = {
        **{"kind": "compared", "image": "31", "raised": [0.52, 0.66], "represents": 3, "alike": True},
        "mean": [0.52, 0.6],
    }
    full.write_json(path, record)
    shown = page(web)
    assert "0.66" in part(shown, "figures-20")
    for name in ("figures", "forecast"):
        assert "mean" in part(shown, name).lower()
    assert "worst" not in words(shown)
    assert web.get(f"/projects/{PROJECT}/status").json()["round"]["measure"] == "mean"


def test_an_order_by_looks_has_no_empty_places_for_what_it_does_not_tell(web: Web, full: Storage) -> None:
    """No forecast, no map of which image teaches which; sections stay where the page's script finds them."""
    name = f"{FOLDER}/rounds/{ROUND}/record.json"
    record = dict(full.read_json(name) or {})
    queries = {
        task: {"rank": rank, "reason": {"kind": "looks"}} for rank, task in enumerate(record["queries"], 1)
    }
    full.write_json(name, record | {"strategy": "herding", "queries": queries, "notes": {}})
    full.path(f"{FOLDER}/rounds/{ROUND}/similarity.json").unlink()
    found = page(web)
    assert "After this batch" not in found
    assert re.search(r'<section id="similarity"[^>]* hidden>', found)
    assert re.search(r'<section id="time"[^>]*data-live>', found)
    assert "chosen by its looks" in words(found)


def test_a_reason_names_an_image_and_leads_to_it(web: Web, full: Storage, redis: Redis) -> None:
    """By its file name, with its picture, where they are known; figures stand behind a click, and messages
    speak of files, too."""

    def link(name: str) -> str:
        shown = page(web)
        found = re.search(
            rf'<p class="reason">[^<]*elps <a id="helped-by-20" href="([^"]+)" [^>]*>{name}</a> most', shown
        )
        assert found, name
        assert found[1].endswith(f"/projects/{PROJECT}/data?task=31")
        figures = re.search(r'<details [^>]*id="figures-20">.*?</details>', shown, re.DOTALL)
        assert figures
        assert f"the dice of {name} from 0.52 to" in words(figures[0])
        return shown

    assert 'class="helped"' not in link("task 31")
    keep_names(redis, PROJECT, {31: "axons-031.png", 21: "axons-021.png", 4: "axons-004.png", 5: ""})
    content = full.read_json(f"{FOLDER}/rounds/{ROUND}/pictures.json") or {}
    content["tasks"]["31"] = {"name": "axons-031.png", "picture": True}
    full.write_json(f"{FOLDER}/rounds/{ROUND}/pictures.json", content)
    redis.hset(
        Keys(PROJECT).notes, mapping={"a": "1 label marks nothing (tasks 4): look", "b": "task 5: gone"}
    )
    shown = link("axons-031.png")
    assert 'class="helped"' in shown
    assert "1 label marks nothing (axons-004.png: tasks 4): look" in words(shown)
    state = web.get(f"/projects/{PROJECT}/status").json()
    first = state["next_tasks"][0]
    assert (first["helps"], first["summary"]) == ([31], "helps axons-031.png most")
    assert state["next_tasks"][1]["name"] == "axons-021.png"
    assert "task 5: gone" in state["warnings"]
    names = web.get(f"/projects/{PROJECT}/rounds/{ROUND}/similarity.json").json()["names"]
    assert names == {"31": "axons-031.png", "21": "axons-021.png"}


def test_what_is_left_of_an_order_is_told_beside_its_size(web: Web, full: Storage, redis: Redis) -> None:
    """Also after a rollback, which takes over the whole order and draws the masks of what is left."""
    del full
    redis.sadd(Keys(PROJECT).labelled, 20, 21, 99)
    assert "12 images, 10" in part(page(web), "figures")


def test_pictures_and_figures_are_served_from_files(web: Web, full: Storage) -> None:
    del full
    found = web.get(f"/projects/{PROJECT}/rounds/{ROUND}/pictures/20.jpg")
    assert (found.status_code, found.headers["Content-Type"], found.content[:3]) == (
        200,
        "image/jpeg",
        b"\xff\xd8\xff",
    )
    answer = web.get(f"/projects/{PROJECT}/rounds/{ROUND}/similarity.json")
    assert answer.json()["count"] == 12
    for headers in (
        {"Range": "bytes=0-9"},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "Fri, 01 Jan 2100"},
    ):
        again = web.get(str(answer.url), headers=headers)  # whose answer has no parts, and no tag
        assert (again.status_code, again.json()) == (200, answer.json())
    for missing in (
        f"{ROUND}/pictures/21.jpg",
        "v9.r9/pictures/20.jpg",
        "..%2f..%2fv1.r1/pictures/20.jpg",
        "v9.r9/similarity.json",
    ):
        assert web.get(f"/projects/{PROJECT}/rounds/{missing}").status_code == 404
    text = page(web)
    assert text.count('<img src="/projects') == 1
    assert words(text).count("no picture") == 9


def test_why_an_image_has_no_mask(web: Web, full: Storage, redis: Redis) -> None:
    """Hidden on purpose, unreadable, nothing found in it, or not drawn yet; and how many are to be drawn."""

    def told(task: int) -> str:
        found = re.search(rf'id="mask-of-{task}">([^<]*)<', page(web))
        return found[1] if found else ""

    pictures = {
        "20": {"name": "a.png", "picture": True, "mask": True},
        "21": {"name": "b.png", "picture": True, "hidden": True, "mask": True},
        "22": {"name": "c.png", "picture": True, "mask": False},
        "23": {"name": "d.png", "picture": False},
        "24": {"name": "e.png", "picture": True},
        "25": {"name": "f.png", "picture": True},
    }
    full.write_json(f"{FOLDER}/rounds/{ROUND}/pictures.json", {"tasks": pictures})
    assert "mask-of-25" not in page(web)  # nothing is known of what is drawn
    redis.sadd(Keys(PROJECT).drawn(ROUND), 20, 21, 22, 23)
    redis.hset(Keys(PROJECT).missing, "mask:24", "")
    assert told(20) == ""
    for task, word in (
        (21, "on purpose"),
        (22, "finds nothing"),
        (23, "cannot be read"),
        (24, "cannot be read"),
        (25, "yet"),
    ):
        assert word in told(task), task
    assert web.get(f"/projects/{PROJECT}/status").json()["undrawn"] == 7
    assert 'id="undrawn">7 images' in page(web)
    record = dict(full.read_json(f"{FOLDER}/rounds/{ROUND}/record.json") or {})
    full.write_json(f"{FOLDER}/rounds/{ROUND}/record.json", record | {"over": "v1.r0"})
    assert "earlier model" in told(25)
    full.write_json(f"{FOLDER}/rounds/{ROUND}/record.json", record | {"version": "v0"})
    assert told(25) == ""


def test_the_strategies_are_read_one_by_one(web: Web, full: Storage) -> None:
    """In a list by name none can speak of the one before it, and a page shows no backticks."""
    del full
    shown = page(web)
    listed = re.findall(r"<option value=\"\w+\">([^<]*)</option>", shown[shown.index('name="strategy"') :])
    assert len(listed) > 10
    assert not [text for text in listed if "the same" in text or "`" in text]
