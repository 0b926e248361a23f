"""What the status page says of a project's state, whatever is missing or has failed."""

from __future__ import annotations

import html
import json
import re

import pytest
from redis import Redis
from rq.cron import CronScheduler
from rq.cron_scheduler_registry import get_registry_key

from backend.doctor.workers import check
from backend.labelstudio.connect import Severity
from backend.queue import pending_work, project_jobs
from backend.queue.connection import COMPUTE, CONTROL, Keys
from backend.run.worker import create_worker
from backend.store.storage import Storage
from tests.service.conftest import Web
from tests.service.pages.conftest import FOLDER, PROJECT, ROUND, page, part, words


def test_that_a_project_is_disconnected_is_said_first(web: Web, full: Storage) -> None:
    """What stands below it is of before, and no order is promised."""
    assert "annotator" in part(page(web), "next")
    full.write_json(f"{FOLDER}/disconnected.json", {"time": "2026-11-29T19:00:00+00:00"})
    shown = page(web)
    assert "disconnected" in part(shown, "now")
    assert "annotator" not in part(shown, "next")
    assert "disconnected" in web.get(f"/projects/{PROJECT}/status").json()["warnings"][0]
    full.remove(f"{FOLDER}/disconnected.json")
    assert "disconnected" not in words(page(web))


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
    shown = page(web)
    for name, text in (
        ("next", "no order"),
        ("undo", "no version"),
        ("figures", "first"),
        ("forecast", "early"),
    ):
        assert text in part(shown, name).lower(), name
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
    found = part(page(web), "now")
    assert "2 more" in found
    assert "1 of 3" in found


def test_a_failure_is_the_headline_on_the_page_and_in_the_list(web: Web, full: Storage, redis: Redis) -> None:
    del full
    failed = {"job": "j", "kind": "round", "message": "no room left on the disk", "time": 1.0}
    redis.hset(Keys(PROJECT).errors, "round", json.dumps(failed))
    for text in (page(web), page(web, "/")):
        assert '<span class="dot failed"' in text
        assert "failed" in words(text)
        assert "up to date" not in text
    assert "no room left on the disk" in part(page(web), "now")


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
    assert [finding.severity for finding in check(web.settings)] == [Severity.OK] * 4
    redis.hset(workers[0].key, "last_heartbeat", "2026-01-01T00:00:00.000000Z")
    redis.zadd(get_registry_key(), {"s": 1.0})
    assert [text in words(page(web)) for text in waits] == [True, False, True]
    assert [finding.severity for finding in check(web.settings)] == [
        Severity.ERROR,
        Severity.OK,
        Severity.ERROR,
        Severity.OK,
    ]


def test_a_lost_folder_is_not_taken_for_a_new_project(web: Web, full: Storage, redis: Redis) -> None:
    """Redis knows better: jobs leave there which version and order are in force."""
    lost = "nothing of them"
    redis.hset(Keys(PROJECT).info, mapping={"version": "v1", "round": ROUND})
    assert lost not in words(page(web))
    full.remove(FOLDER)
    found = words(page(web))
    assert lost in found
    assert "MODEL_DIR or STORAGE_URL" in found


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
