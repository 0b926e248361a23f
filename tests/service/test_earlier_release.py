"""What an earlier release left in the storage and in Redis is read:
its versions, a round in progress, the project's history.

tests/recorded holds a copy of such an installation:
five versions, of which v4 is in use and v5 is not, the order of v3.r6 in force, and the round v4.r7 about to
finish. Weights and pictures are left out.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from backend.jobs.round.folder import RoundFolder
from backend.project import live_quality
from backend.project.context import Context, open_context
from backend.project.version_list import plan_rollback
from backend.queue import pending_work
from backend.queue.pending_work import Work
from backend.settings import Settings
from backend.store.round_record import RoundRecord, round_in_force
from backend.web.pages.page import collect
from tests.states import list_versions, read_status

RECORDED = Path(__file__).resolve().parents[1] / "recorded"


@pytest.fixture
def context(settings: Settings, redis: Redis) -> Context:
    shutil.copytree(RECORDED / "projects", settings.model_dir / "projects")
    for key, (kind, value) in json.loads((RECORDED / "redis.json").read_text()).items():
        if kind == "hash":
            redis.hset(key, mapping=value)
        elif kind == "set":
            redis.sadd(key, *value)
        else:
            redis.set(key, value)
    return open_context(1)


def written(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RECORDED / "projects" / "1" / name).read_text())
    return content


def test_the_order_in_force_is_read_and_written_again_unchanged(context: Context) -> None:
    """A file that this release writes over has all that the earlier one wrote into it."""
    record = round_in_force(context.storage, 1)
    assert record is not None
    before = written("rounds/v3.r6/record.json")
    assert (record.round, record.order, record.batch) == ("v3.r6", before["order"], before["batch"])
    assert {str(task): place.reason for task, place in record.queries.items()} == {
        task: query["reason"] for task, query in before["queries"].items()
    }
    record.save(context.storage, 1)
    again = RoundRecord.load(context.storage, 1, "v3.r6")
    assert again == record
    after = context.storage.read_json("projects/1/rounds/v3.r6/record.json", fresh=True) or {}
    assert {name: after[name] for name in before if name != "queries"} == {
        name: before[name] for name in before if name != "queries"
    }


def test_the_round_in_progress_is_read(context: Context) -> None:
    snapshot = RoundFolder(context, "v4.r7").snapshot()
    before = written("rounds/v4.r7/snapshot.json")
    assert (snapshot.version, snapshot.budget, snapshot.labelled) == (
        "v4",
        before["budget"],
        before["labelled"],
    )
    assert RoundFolder(context, "v4.r7").record() is None
    assert pending_work.pending(context.redis, 1, Work.ROUND).outstanding == (snapshot.work == Work.ROUND)


def test_versions_and_their_history_are_read(context: Context) -> None:
    found = list_versions(1)
    assert [version["name"] for version in found["versions"]] == ["v1", "v2", "v3", "v4", "v5"]
    assert not any(version["damaged"] for version in found["versions"])
    assert found["current"] == "v4"
    assert [use["version"] for use in found["uses"]] == ["v1", "v2", "v3", "v4"]
    assert [each.task for each in live_quality.read(context.storage, context.folder)] == [12, 10, 9]


def kept(now: Any, before: Any) -> Any:
    """Of an answer the names that were in it before, in the order of now."""
    if isinstance(now, dict) and isinstance(before, dict):
        return {name: kept(value, before[name]) for name, value in now.items() if name in before}
    if isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        return [kept(*pair) for pair in zip(now, before, strict=True)]
    return now


def test_programs_get_the_answers_of_before(context: Context) -> None:
    """Names, order and nulls of what `status --json` and `versions --json` give, also while a round runs;
    this release may have added names."""
    before = json.loads((RECORDED / "answers.json").read_text())
    state = read_status(1)
    del state["warnings"][len(before["status"]["warnings"]) :]  # programs that do not run in this test
    assert json.dumps(kept(state, before["status"])) == json.dumps(before["status"])
    assert json.dumps(kept(list_versions(1), before["versions"])) == json.dumps(before["versions"])
    entry = {"job": "row-1", "kind": "row", "round": "v4.r7", "started": time.time(), "updated": time.time()}
    context.redis.hset(context.keys.progress, "row-1", json.dumps(entry))
    running = read_status(1)["running"]
    assert (running.pop("seconds_left") is None) == (before["running"].pop("seconds_left") is None)
    assert json.dumps(kept(running, before["running"])) == json.dumps(before["running"])


def test_people_see_the_project_as_before(context: Context) -> None:
    state = read_status(1)
    assert (state["title"], state["version"]["name"], state["round"]["name"]) == ("Cells", "v4", "v3.r6")
    labelled = {int(task) for task in context.redis.smembers(context.keys.labelled)}
    order = [task for task in written("rounds/v3.r6/record.json")["order"] if task not in labelled]
    assert [place["task"] for place in state["next_tasks"]] == order
    queries = written("rounds/v3.r6/record.json")["queries"]
    told = [queries[str(task)]["reason"] for task in order]
    assert [place["reason"] for place in state["next_tasks"]] == told
    assert [image.reason for image in collect(context).next] == told
    assert not collect(context).problems
    plan = plan_rollback(1, "v2")
    assert plan.before is not None
    assert (plan.before.name, plan.to.name, plan.round) == ("v4", "v2", "v3.r6")
