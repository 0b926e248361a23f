"""The status pages, served by the real web server:
what they show, what they survive, and whom they refuse."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from redis import Redis
from rq.cron import CronScheduler
from rq.cron_scheduler_registry import get_registry_key

from backend.app import create_app
from backend.doctor.workers import check
from backend.jobs.round.similarity_map import similarity_map
from backend.jobs.round.thumbnails import thumbnail
from backend.labelstudio.connect import Severity
from backend.queue import pending_work, project_jobs
from backend.queue.connection import COMPUTE, CONTROL, PROJECTS, Keys
from backend.queue.pending_work import Work
from backend.queue.project_info import ProjectInfo
from backend.queue.task_names import keep_names
from backend.run.worker import create_worker
from backend.store.storage import Storage
from backend.store.version_record import VersionRecord
from backend.store.versions import Versions
from model.data.images import decode_raw
from tests.service.conftest import AUTH, Web, picture, use_settings

PROJECT = 7
PAGE = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
FOLDER = f"projects/{PROJECT}"
ROUND = "v1.r1"


@pytest.fixture
def storage(web: Web, redis: Redis) -> Iterator[Storage]:
    """The storage of the web server, with a project that is connected and has nothing yet."""
    storage = Storage(web.settings.model_dir)
    storage.remove(FOLDER)
    pending_work.register(redis, PROJECT, ProjectInfo(title="Axons <b>& co</b>", tasks=12, labelled=3))
    yield storage
    storage.remove(FOLDER)


@pytest.fixture
def full(storage: Storage) -> Storage:
    """The project with a version, an order, its pictures and figures, and submits."""
    version = VersionRecord(
        "v1",
        "job",
        "2026-11-23T08:00:00+00:00",
        ("Axon",),
        {"1": "a", "2": "b", "3": "c"},
        0,
        {},
        held_out_dice=0.7,
    )
    storage.write_json(f"{FOLDER}/versions/v1/model.json", {"record": version.to_dict()})
    Versions(storage, PROJECT).make_current("v1", by="training")
    order = list(range(20, 32))
    reason = {"kind": "compared", "image": "31"}
    queries = {
        str(task): {
            "rank": rank,
            "reason": reason | {"raised": [0.52, 0.6 + rank / 100], "represents": rank}
            if rank != 2
            else "in words <i> of an earlier release",
        }
        | {"expected_dice": 0.6 + rank / 100, "helps": ["31"]}
        for rank, task in enumerate(order, start=1)
    }
    record = {
        "round": ROUND,
        "time": "2026-11-23T09:00:00+00:00",
        "reason": "asked for",
        "strategy": "task_dependent",
        "budget": 2,
    }
    record |= {
        "cold_start": False,
        "message": "",
        "version": "v1",
        "seed": 0,
        "labels": [1, 2, 3],
        "order": order,
        "batch": order[:2],
    }
    record |= {
        "queries": queries,
        "unreadable": {},
        "notes": {"worst_before": 0.52, "value": 0.62, "upper_bound": 0.64},
        "masks": 12,
        "answered": [],
        "tasks": 12,
        "seconds": 3.0,
    }
    storage.write_json(f"{FOLDER}/rounds/{ROUND}/record.json", record)
    storage.write_json(f"{FOLDER}/current-round.json", {"round": ROUND})
    names = {str(task): {"name": f"image {task}.png", "picture": task == 20} for task in order[:3]}
    storage.write_json(f"{FOLDER}/rounds/{ROUND}/pictures.json", {"tasks": names})
    data, mask = picture(1)
    path = storage.path(f"{FOLDER}/rounds/{ROUND}/pictures/20.jpg")
    path.parent.mkdir(parents=True)
    path.write_bytes(thumbnail(decode_raw(data, "x"), mask))
    matrix = np.full((12, 12), 0.7, dtype=np.float32)
    storage.write_json(
        f"{FOLDER}/rounds/{ROUND}/similarity.json",
        similarity_map([str(task) for task in order], matrix, ["20"], []),
    )
    seen = {
        "task": 4,
        "annotation": 1,
        "time": "2026-11-23T08:00:00Z",
        "updated": "",
        "round": "v0.r1",
        "version": "v1",
        "dice": 0.83,
    }
    storage.write_json(f"{FOLDER}/live-quality.json", {"agreements": [seen]})
    return storage


def page(web: Web, path: str = f"/projects/{PROJECT}", status: int = 200) -> str:
    answer = web.get(path, headers=PAGE)
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        status,
        "text/html; charset=utf-8",
    ), answer.text
    return answer.text


def words(text: str) -> str:
    """The text of a page as a reader sees it."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text)))


def enqueued(redis: Redis) -> int:
    return sum(int(redis.llen(f"rq:queue:{name}")) for name in (CONTROL, COMPUTE))


def test_it_tells_what_is_next_and_why_and_how_good_the_model_is(web: Web, full: Storage) -> None:
    del full
    found = words(page(web))
    for text in (
        "3 of 12 images labelled",
        "helps task 31 most",
        "expected to raise the dice of task 31 from 0.52 to 0.61; represents 1 image.",
        "in words <i> of an earlier release",
        "First in the order",
        "Whoever postpones an image",
        "12 images, 12 of them left to label",
        "Open in Label Studio",
        "0.52 → 0.62",
        "raise the worst expected dice to at most 0.64; this one reaches 0.62.",
        "task_dependent, budget 2",
        "median dice of mask shown and label submitted",
        "0.83",
        "v1",
        "in use",
        "Label on.",
    ):
        assert text in found, text


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
    found = words(page(web))
    for text in (
        "helps task 31 most: expected at a dice of 0.52 now, 0.66 after this label",
        "mean expected dice of all images, before and after the batch",
        "raise the mean expected dice to at most 0.64; this one reaches 0.62.",
        "Mean expected dice of all images",
        "change the mean expected dice from 0.52 to 0.62",
    ):
        assert text in found, text
    assert "worst" not in found
    assert web.get(f"/projects/{PROJECT}/status").json()["round"]["measure"] == "mean"


def test_exported_masks_can_be_downloaded(web: Web, full: Storage) -> None:
    """What could not be exported is named; an export that another machine made is fetched by its name."""
    assert "Download masks" not in page(web)
    about: dict[str, Any] = {
        "file": "masks-7.zip",
        "time": "2026-11-29T17:00:00+00:00",
        "bytes": 3_400_000,
        "format": "png",
    }
    about |= {
        "summary": "3 labels, 9 masks of v1",
        "problems": ["task 4: <b> is damaged"],
        "problem_count": 30,
    }
    full.write_json(f"{FOLDER}/export/about.json", about)
    found = words(page(web))
    for text in (
        "Download masks-7.zip",
        "3 labels, 9 masks of v1; 3.4 MB, format png",
        "30 could not be exported",
        "task 4: <b> is damaged",
    ):
        assert text in found, text
    assert web.get(f"/projects/{PROJECT}/masks.zip").status_code == 404  # its file is gone
    full.path(f"{FOLDER}/export/masks-7.zip").write_bytes(b"PK" * 3_000_000)
    answer = web.get(f"/projects/{PROJECT}/masks.zip")
    assert len(answer.content) == 6_000_000
    assert "masks-7.zip" in answer.headers["Content-Disposition"]


def test_that_a_project_is_disconnected_is_said_first(web: Web, full: Storage) -> None:
    """What stands below it is of before."""
    full.write_json(f"{FOLDER}/disconnected.json", {"time": "2026-11-29T19:00:00+00:00"})
    told = words(page(web))
    assert "This project is disconnected" in told
    assert "get the images below" not in told
    assert "for every annotator" not in told
    assert "This project is disconnected" in web.get(f"/projects/{PROJECT}/status").json()["warnings"][0]
    full.remove(f"{FOLDER}/disconnected.json")
    assert "This project is disconnected" not in words(page(web))


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


def test_two_worse_models_are_told_with_a_button_that_goes_back(web: Web, full: Storage) -> None:
    """And that masks are submitted as they were drawn, which is no success."""
    versions = Versions(full, PROJECT)
    tasks = [str(task) for task in range(10)]
    for name, dice in (("v4", 0.852), ("v5", 0.82), ("v6", 0.808)):
        known: dict[str, Any] = {
            "tasks": dict.fromkeys(tasks, "a"),
            "held_out": dict.fromkeys(tasks, dice),
            "held_out_dice": dice,
        }
        record = VersionRecord(
            name, "job", "2026-11-23T08:00:00+00:00", ("Axon",), seed=0, recipe={}, **known
        )
        full.write_json(f"{FOLDER}/versions/{name}/model.json", {"record": record.to_dict()})
        versions.make_current(name, by="training")
    seen = {
        "task": 4,
        "time": "2026-11-23T08:00:00Z",
        "updated": "",
        "round": "v0.r1",
        "version": "v1",
        "dice": 1.0,
    }
    submits = [seen | {"annotation": n, "seconds": 90, "annotator": "ada <i>"} for n in range(8)]
    full.write_json(f"{FOLDER}/live-quality.json", {"agreements": submits})
    found = page(web)
    for text in (
        "v6 is worse than v4 on the same 10 images, twice running",
        "8 of the last 8",
        "ada <i> 8 1.5 100 %",
    ):
        assert text in words(found), text
    assert re.search(r'id="trend-back" data-dialog="rollback" data-version="v4"', found)
    told = web.get(f"/projects/{PROJECT}/status").json()["learning"]
    assert (told["trend"], told["back_to"]) == ("falling", "v4")


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
    assert "12 images, 10 of them left to label" in words(page(web))


def test_that_a_person_cancelled_is_told_once(web: Web, full: Storage, redis: Redis) -> None:
    """By the headline; beside another headline as a warning."""
    del full
    pending_work.pause(redis, PROJECT, project_jobs.CANCELLED.format(time="10:12"))
    found = words(page(web))
    assert ("Stopped by a person" in found, "Cancelled by a person" in found) == (True, False)
    failed = {"job": "j", "kind": "round", "message": "no room left on the disk", "time": 1.0}
    redis.hset(Keys(PROJECT).errors, "round", json.dumps(failed))
    found = words(page(web))
    assert ("Stopped by a person" in found, "Cancelled by a person" in found) == (False, True)


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


def test_pictures_and_figures_are_served_from_files(web: Web, full: Storage) -> None:
    del full
    found = web.get(f"/projects/{PROJECT}/rounds/{ROUND}/pictures/20.jpg")
    assert (found.status_code, found.headers["Content-Type"], found.content[:3]) == (
        200,
        "image/jpeg",
        b"\xff\xd8\xff",
    )
    assert web.get(f"/projects/{PROJECT}/rounds/{ROUND}/similarity.json").json()["count"] == 12
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


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        (f"rounds/{ROUND}/pictures.json", "task 20"),
        (f"rounds/{ROUND}/record.json", "Held-out dice"),
        ("live-quality.json", "helps task 31 most"),
        ("current.json", "helps task 31 most"),
        ("versions/v1/model.json", "helps task 31 most"),
    ],
)
def test_a_damaged_file_is_named_and_the_rest_is_shown(
    web: Web, full: Storage, name: str, stays: str
) -> None:
    full.path(f"{FOLDER}/{name}").write_text("{half")
    found = words(page(web))
    assert name.rpartition("/")[2] in found
    assert "restore it from a backup" in found
    assert stays in found


def test_it_says_what_comes_next_where_there_is_nothing_yet(web: Web, storage: Storage) -> None:
    found = words(page(web))
    for text in (
        "There is no order yet",
        "There is no version yet",
        "The first model is trained",
        "too early to tell",
    ):
        assert text.lower() in found.lower(), text
    record = {
        "round": "v0.r1",
        "time": "2026-11-23T09:00:00+00:00",
        "reason": "the first order",
        "strategy": "looks",
        "budget": 5,
    }
    record |= {
        "cold_start": True,
        "message": "there is no model yet",
        "version": "v0",
        "order": [5, 6],
        "batch": [5, 6],
        "tasks": 2,
    }
    storage.write_json(f"{FOLDER}/rounds/v0.r1/record.json", record | {"queries": {}, "notes": {}})
    storage.write_json(f"{FOLDER}/current-round.json", {"round": "v0.r1"})
    Redis.from_url(web.settings.redis_address).hset(Keys(PROJECT).info, "labelled", 1)
    found = words(page(web))
    assert "Label 2 more images" in found
    assert "1 of 3 labels are there" in found


def test_a_failure_is_the_headline_on_the_page_and_in_the_list(web: Web, full: Storage, redis: Redis) -> None:
    del full
    failed = {"job": "j", "kind": "round", "message": "no room left on the disk", "time": 1.0}
    redis.hset(Keys(PROJECT).errors, "round", json.dumps(failed))
    for text in (page(web), page(web, "/")):
        assert '<span class="dot failed"' in text
        assert "The last round failed" in text
        assert "up to date" not in text
    assert "no room left on the disk" in page(web)


def test_an_order_of_an_earlier_version_is_not_called_up_to_date(web: Web, full: Storage) -> None:
    version = VersionRecord("v2", "job", "2026-11-23T10:00:00+00:00", ("Axon",), {"1": "a"}, 0, {})
    full.write_json(f"{FOLDER}/versions/v2/model.json", {"record": version.to_dict()})
    Versions(full, PROJECT).make_current("v2", by="training")
    found = words(page(web))
    assert "v2 is in use, while order 1 (model 1) and its masks are still those of v1" in found
    assert "up to date" not in found


def test_it_tells_when_nobody_is_there_to_work(web: Web, full: Storage, redis: Redis) -> None:
    """By the heartbeats that the doctor and the health checks go by, in the state that the page follows."""
    del full
    waits = (
        "No worker for trainings and rounds is alive",
        "No worker for syncs with Label Studio",
        "No scheduler is alive",
    )
    found = words(page(web))
    for text in (*waits, "python -m backend worker", "python -m backend scheduler"):
        assert text in found
    assert '<span class="dot warned"' in page(web)
    workers = [create_worker(web.settings, [name], redis) for name in (COMPUTE, CONTROL)]
    for worker in workers:
        worker.register_birth()
    scheduler = CronScheduler(connection=redis, name="s")
    scheduler.register_birth()
    scheduler.heartbeat()
    assert not any(text in words(page(web)) for text in waits)
    assert web.get(f"/projects/{PROJECT}/status").json()["warnings"] == []
    assert [finding.severity for finding in check(web.settings)] == [Severity.OK] * 3
    redis.hset(workers[0].key, "last_heartbeat", "2026-01-01T00:00:00.000000Z")
    redis.zadd(get_registry_key(), {"s": 1.0})
    assert [text in words(page(web)) for text in waits] == [True, False, True]
    assert [finding.severity for finding in check(web.settings)] == [
        Severity.ERROR,
        Severity.OK,
        Severity.ERROR,
    ]


def test_a_lost_folder_is_not_taken_for_a_new_project(web: Web, full: Storage, redis: Redis) -> None:
    """Redis knows better: jobs leave there which version and order are in force."""
    lost = "v1 and v1.r1 of this project were in use, and nothing of them is in"
    redis.hset(Keys(PROJECT).info, mapping={"version": "v1", "round": ROUND})
    assert lost not in words(page(web))
    full.remove(FOLDER)
    found = words(page(web))
    assert lost in found
    assert "MODEL_DIR or STORAGE_URL" in found


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


def test_what_the_heading_and_the_questions_tell_is_in_the_state_that_the_page_follows(
    web: Web, storage: Storage, redis: Redis
) -> None:
    del storage
    redis.hset(Keys(PROJECT).info, "extra_params", '{"budget": 9, "strategy": "random"}')
    state = web.get(f"/projects/{PROJECT}/status").json()
    assert state["title"] == "Axons <b>& co</b>"
    assert state["images"] == {"all": 12, "labelled": 3}
    assert state["defaults"] == {"budget": 9, "strategy": "random", "unmasked_share": 0.0}
    assert json.loads(html.unescape(re.findall(r'data-state="([^"]*)"', page(web))[0])) == state


def test_the_list_of_projects_and_what_programs_get_instead(web: Web, full: Storage) -> None:
    del full
    text = page(web, "/")
    assert f'href="/projects/{PROJECT}"' in text
    assert "Ready for labels" in text
    assert web.get("/").json()["status"] == "UP"
    assert words(page(web, "/projects/404", 404)).count("python -m backend connect --project 404") == 1


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
