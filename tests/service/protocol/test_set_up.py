"""What Label Studio asks besides masks: health, set-up, versions; and what people ask: recompute, status."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from redis import Redis

from backend.errors import UnreachableError
from backend.labelstudio.connect.own_service import INSTANCE_HEADER
from backend.project.context import open_context
from backend.project_settings import parse_project_settings
from backend.queue import round_request
from backend.queue.pending_work import Work
from backend.queue.project_info import ProjectInfo
from tests.service.conftest import Web, publish_version
from tests.service.protocol.conftest import SETUP, state


def test_health_is_open_and_names_the_model(web: Web) -> None:
    """Load balancers have no password."""
    answer = httpx.get(f"{web.url}/health", timeout=60)
    assert (answer.status_code, answer.json()) == (200, {"status": "UP", "model_class": "Segmenter"})
    assert (
        answer.headers[INSTANCE_HEADER] == httpx.get(f"{web.url}/health", timeout=60).headers[INSTANCE_HEADER]
    )


def test_setup_tells_the_version_and_has_the_project_configured_once(web: Web, redis: Redis) -> None:
    """The Data Manager calls /setup at every page; only a change brings another look at the project."""
    for _ in range(5):
        answer = web.post("/setup", SETUP)
        assert answer.json() == {"model_version": "v0"}
    assert state(redis, Work.CONFIGURE).wanted == 0  # the fixture's call was the first
    other = str(SETUP["schema"]).replace("Axon", "Cell")
    assert other != SETUP["schema"]
    web.post("/setup", {**SETUP, "schema": other})
    assert state(redis, Work.CONFIGURE).wanted == 1


def test_other_extra_params_hold_at_once_and_label_studio_is_not_asked_for_them(
    web: Web, redis: Redis
) -> None:
    """Where it lists connections, it writes back what it has read:
    a job that asked each time would undo what somebody has just corrected."""
    context = open_context(2, web.settings.model_copy(update={"label_studio_api_key": SecretStr("none")}))
    web.post("/setup", {**SETUP, "extra_params": '{"budget": 7}'})
    assert (state(redis, Work.CONFIGURE).wanted, state(redis, Work.SYNC).wanted) == (0, 1)
    ProjectInfo(connections=1).save(redis, 2)
    assert context.project_settings().budget == 7  # this Label Studio is away
    for none in (None, "", " "):  # the page sends an empty field as text
        web.post("/setup", {**SETUP, "extra_params": '{"budget": 7}'})
        web.post("/setup", {**SETUP, "extra_params": none})
        assert context.project_settings().budget == parse_project_settings(None).budget

    ProjectInfo(connections=2).save(redis, 2)  # each tells its own: Label Studio knows which one holds
    with pytest.raises(UnreachableError):
        context.project_settings()
    redis.flushall()
    with pytest.raises(UnreachableError):
        context.project_settings()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": "<View/>"}, "no Image"),
        ({"schema": '<View><Image name="i" value="$image"/></View>'}, "no control that draws"),
        ({"extra_params": '{"budgt": 5}'}, "unknown keys budgt"),
        ({"extra_params": '{"strategy": "magic"}'}, "magic"),
        ({"extra_params": "five"}, "expected JSON"),
    ],
)
def test_setup_tells_the_administrator_what_is_wrong(web: Web, fields: dict[str, Any], message: str) -> None:
    """Label Studio shows the status line of a failed request and nothing else, so the message is in it as
    well."""
    answer = web.post("/setup", {**SETUP, **fields})
    assert answer.status_code == 422
    assert message in answer.json()["message"]
    assert message in answer.reason_phrase


def test_versions_are_listed(web: Web) -> None:
    """Label Studio asks by GET and does not say for which project."""
    publish_version(web.settings.model_dir, 77, steps=1)
    assert web.get("/versions?project=77").json() == {"versions": ["v1"]}
    assert web.get("/versions").json() == {"versions": []}  # project 2 has none
    assert web.get("/versions?project=x").status_code == 400


def test_recompute_and_status(web: Web) -> None:
    """202 with the job, which the status shows as waiting."""
    answer = web.post("/projects/2/recompute", None)
    assert answer.status_code == 202
    status = web.get("/projects/2/status").json()
    assert status["waiting"] == ["round"]
    assert (status["version"], status["round"], status["next_tasks"], status["running"]) == (
        None,
        None,
        [],
        None,
    )
    assert web.post("/projects/2/cancel", None).json() == {"jobs": [answer.json()["job"]]}
    assert web.get("/projects").json() == {"projects": [2]}


def test_a_recompute_may_ask_for_a_budget_and_a_strategy(web: Web, redis: Redis) -> None:
    """What may be asked for is told, with the project's own settings;
    what cannot be is refused and starts nothing."""
    web.post("/setup", {**SETUP, "extra_params": '{"budget": 7}'})
    known = web.get("/projects/2/recompute").json()
    assert (known["budget"], known["strategy"], known["most_budget"]) == (7, "task_dependent", 1000)
    assert {"random", "ensemble", "task_dependent", "trusted"} <= set(known["strategies"])
    refused: list[tuple[Any, int, str]] = [
        ({"budget": 0}, 422, "budget"),
        ({"budget": "3"}, 422, "'3'"),
        ({"budget": 1001}, 422, "1000"),
        ({"strategy": "best"}, 422, "task_dependent"),
        ({"seed": 1}, 422, "unknown keys seed; known are budget, strategy"),
        ({"candidates": 0}, 422, "candidates: found 0, expected a whole number"),
        ([3], 400, "a list"),
    ]
    for body, status, words in refused:
        answer = web.post("/projects/2/recompute", body)
        assert (answer.status_code, words in answer.json()["message"]) == (status, True), answer.text
    assert web.client.post("/projects/2/recompute", content=b"{").status_code == 400
    assert web.get("/projects/2/status").json()["waiting"] == []
    (search,) = [option for option in known["options"] if option["name"] == "search"]
    assert (search["strategies"], search["value"], "greedy" in search["choices"]) == (
        ["ensemble"],
        "auto",
        True,
    )
    own = {option["name"]: option["value"] for option in known["options"]}
    assert (own["candidates"], own["objective"], own["mutual"]) == (16, "", "")  # each strategy has its own
    answer = web.post("/projects/2/recompute", {"budget": 3, "strategy": "random", "candidates": 4})
    assert answer.status_code == 202
    assert answer.json()["page"] == f"{web.url}/projects/2"
    stands = round_request.read_pending(redis, 2)
    assert (stands.budget, stands.strategy, stands.options) == (3, "random", {"candidates": 4})
    web.post("/projects/2/cancel", None)
