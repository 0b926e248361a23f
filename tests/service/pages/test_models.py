"""How good the model is, and its masks, on the status page."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from redis import Redis

from backend.cli.terminal import describe
from backend.project.status import read_status
from backend.queue.connection import Keys
from backend.queue.task_names import keep_names
from backend.store.storage import Storage
from backend.store.version_record import VersionRecord
from backend.store.versions import Versions
from tests.service.conftest import Web, use_settings
from tests.service.pages.conftest import FOLDER, PROJECT, page, part


def test_exported_masks_can_be_downloaded(web: Web, full: Storage) -> None:
    """What could not be exported is named; an export that another machine made is fetched by its name."""
    assert 'id="download"' not in page(web)
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
    found = part(page(web), "masks")
    for text in ("masks-7.zip", "3 labels, 9 masks of v1", "3.4 MB", "30", "task 4: <b> is damaged"):
        assert text in found, text
    assert web.get(f"/projects/{PROJECT}/masks.zip").status_code == 404  # its file is gone
    full.path(f"{FOLDER}/export/masks-7.zip").write_bytes(b"PK" * 3_000_000)
    answer = web.get(f"/projects/{PROJECT}/masks.zip")
    assert len(answer.content) == 6_000_000
    assert "masks-7.zip" in answer.headers["Content-Disposition"]


def put_in_use(
    full: Storage, name: str, dice: float, others: dict[str, float] | None = None, by: str = "training"
) -> None:
    """A version of ten labels, and `others`, each measured at a dice."""
    held_out = dict.fromkeys(map(str, range(10)), dice) | (others or {})
    known: dict[str, Any] = {"tasks": dict.fromkeys(held_out, "a"), "held_out": held_out}
    record = VersionRecord(
        name,
        "job",
        "2026-11-23T08:00:00+00:00",
        ("Axon",),
        seed=0,
        recipe={},
        held_out_dice=dice,
        **known,
    )
    full.write_json(f"{FOLDER}/versions/{name}/model.json", {"record": record.to_dict()})
    Versions(full, PROJECT).make_current(name, by=by)


def test_two_worse_models_are_told_with_a_button_that_goes_back(
    web: Web, full: Storage, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the labels that may have spoilt them, each a link to its image."""
    keep_names(redis, PROJECT, {12: "axons-012.png"})
    for name, dice, others in (("v4", 0.852, {}), ("v5", 0.82, {"12": 0.11}), ("v6", 0.808, {"12": 0.1})):
        put_in_use(full, name, dice, others)
    found = page(web)
    assert "v6 is worse than v4" in part(found, "trend")
    assert re.search(r'id="trend-back" data-dialog="rollback" data-version="v4"', found)
    assert re.search(
        r'id="suspect-12" href="[^"]+data\?task=12" [^>]*>axons-012.png</a> \(dice 0.10\)', found
    )
    told = web.get(f"/projects/{PROJECT}/status").json()["learning"]
    assert (told["trend"], told["back_to"]) == ("falling", "v4")
    assert told["suspects"] == [{"task": 12, "dice": 0.1, "name": "axons-012.png"}]
    use_settings(monkeypatch, redis_url=web.settings.redis_url, model_dir=web.settings.model_dir)
    assert "axons-012.png (task 12), dice 0.10" in describe(read_status(PROJECT))


def test_masks_that_are_submitted_as_they_were_drawn_are_no_success(web: Web, full: Storage) -> None:
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
    assert "8 of the last 8" in part(found, "unchanged")
    assert "ada <i> 8 1.5 100 %" in part(found, "annotators")
    for figure in ("8 of the last 8", "0.70"):
        assert figure in part(found, "good-enough")


def test_how_long_a_rollback_holds_is_said_before_and_after(web: Web, full: Storage) -> None:
    put_in_use(full, "v2", 0.8)
    found = page(web)
    assert "not worse" in part(found, "dialog-rollback")
    assert "holds" not in part(found, "versions")
    Versions(full, PROJECT).make_current("v1", by="rollback", who="ada")
    assert "holds until" in part(page(web), "versions")


def test_an_order_of_an_earlier_version_is_not_called_up_to_date(web: Web, full: Storage) -> None:
    version = VersionRecord("v2", "job", "2026-11-23T10:00:00+00:00", ("Axon",), {"1": "a"}, 0, {})
    full.write_json(f"{FOLDER}/versions/v2/model.json", {"record": version.to_dict()})
    Versions(full, PROJECT).make_current("v2", by="training")
    found = part(page(web), "now")
    assert ("v2" in found, "v1" in found, "up to date" in found) == (True, True, False)


@pytest.mark.parametrize(("tasks", "noun"), [([20], "image"), ([20, 21], "images")])
def test_what_is_put_back_is_counted(
    web: Web, full: Storage, redis: Redis, tasks: list[int], noun: str
) -> None:
    del full
    skipped = {"queue": "REQUEUE_FOR_OTHERS", "done": tasks, "partly": {}, "people": 1}
    redis.set(Keys(PROJECT).skipped, json.dumps(skipped))
    told = re.search(r'id="dialog-unskip".*?data-done="([^"]+)"', page(web), re.DOTALL)
    assert told
    assert f"{len(tasks)} skipped {noun} " in told[1]
