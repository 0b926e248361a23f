"""The end of a round, when something else happens in the middle of it:
run here, in a real Label Studio and a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from redis import Redis
from rq.job import Job, JobStatus

from backend.demo.server import LabelStudioServer
from backend.errors import LabelStudioError
from backend.jobs import entry_points, job, sync
from backend.labelstudio.labels.config import EXAMPLE
from backend.labelstudio.order import priorities
from backend.project.context import Context, open_context
from backend.queue import enqueue, pending_work, project_jobs
from backend.queue.lease import Fence
from backend.queue.pending_work import Work
from backend.store.round_record import RoundRecord, round_in_force
from backend.store.storage import Storage
from tests.states import read_status

Checkpoint = Callable[[str], None]


@pytest.fixture
def context(
    redis: Redis, use_label_studio: Callable[..., httpx.Client], image_url: Callable[[int], str]
) -> Context:
    """A project of six images, without labels, whose rounds are cold starts; no worker runs."""
    http = use_label_studio(project_defaults={"budget": 2})
    project = int(
        http.post("/api/projects", json={"title": "End", "label_config": EXAMPLE})
        .raise_for_status()
        .json()["id"]
    )
    tasks = [{"data": {"image": image_url(number)}} for number in range(6)]
    http.post(f"/api/projects/{project}/import", json=tasks).raise_for_status()
    pending_work.register(redis, project)
    return open_context(project)


def client(label_studio: LabelStudioServer) -> httpx.Client:
    return httpx.Client(
        base_url=label_studio.url, headers={"Authorization": f"Token {label_studio.token}"}, timeout=60
    )


def label(label_studio: LabelStudioServer, task: int) -> None:
    with client(label_studio) as http:
        http.post(f"/api/tasks/{task}/annotations/", json={"result": []}).raise_for_status()


def begin(context: Context) -> str:
    """Start a round and come to where only its end is left; returns its name."""
    return str(entry_points.start_round(context.project_id, "test")["round"])


def during(monkeypatch: pytest.MonkeyPatch, step: str, happens: Callable[[], Any]) -> None:
    """Have something happen after a step of the writing of an order."""
    write_order = priorities.write_order

    def disturbed(*arguments: Any, checkpoint: Checkpoint) -> Any:
        def tell(reached: str) -> None:
            if reached == step:
                happens()
            checkpoint(reached)

        return write_order(*arguments, checkpoint=tell)

    monkeypatch.setattr(priorities, "write_order", disturbed)


def in_force(context: Context) -> tuple[str, str]:
    """The round that Label Studio serves, and the one whose record says so."""
    record = round_in_force(context.storage, context.project_id)
    return context.client.project(context.project_id).model_version, record.round if record else ""


@pytest.mark.parametrize("what", ["cancelled", "superseded"])
@pytest.mark.parametrize(("step", "ends"), [("imported", False), ("switched", True)])
def test_an_order_is_put_in_force_wholly_or_not_at_all(
    context: Context, monkeypatch: pytest.MonkeyPatch, what: str, step: str, ends: bool
) -> None:
    """Whether a person cancels or another round is asked for:
    before the switch the order of before stays, after it all is done."""
    before = begin(context)
    entry_points.finish_round(context.project_id, before)
    assert in_force(context) == (before, before)
    name = begin(context)
    stops = {
        "cancelled": lambda: project_jobs.cancel(context.project_id),
        "superseded": lambda: enqueue.enqueue_round(context.project_id, "again"),
    }
    if what == "superseded":
        pending_work.record(
            context.redis, context.project_id, pending_work.Event(Work.TRAINING, 1)
        )  # or it would be joined
    during(monkeypatch, step, stops[what])
    result = entry_points.finish_round(context.project_id, name)
    assert ("stopped" in result) != ends
    assert in_force(context) == ((name, name) if ends else (before, before))


@pytest.mark.parametrize("meanwhile", ["a label", "cancelled", "superseded"])
def test_what_fails_after_the_switch_goes_on_with_the_same_order(
    context: Context, label_studio: LabelStudioServer, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """On SQLite Label Studio answers 500 while another process writes.
    Whatever comes before it is asked again, the order is in force."""
    monkeypatch.setattr(job, "FIRST_PAUSE", 0.1)
    project, name = context.project_id, begin(context)
    failures = [503, 500]

    def fail() -> None:
        if not failures:
            return
        if len(failures) == 2:
            if meanwhile == "a label":
                label(label_studio, context.client.task_ids(project, "unlabelled")[0])
            elif meanwhile == "cancelled":
                project_jobs.cancel(project)
            else:
                pending_work.record(context.redis, project, pending_work.Event(Work.TRAINING, 1))
                enqueue.enqueue_round(project, "again")
        else:
            assert any(
                "waits for Label Studio: answered 500" in warning
                for warning in read_status(project)["warnings"]
            )
        status_code = failures.pop()
        raise LabelStudioError(f"answered {status_code}: database is locked", status=status_code)

    during(monkeypatch, "switched", fail)
    assert entry_points.finish_round(project, name)["tasks"] == 6
    assert not failures
    assert in_force(context) == (name, name)
    told = read_status(project)["warnings"]
    assert not any("waits for Label Studio" in warning for warning in told)
    assert any("it is in use" in warning for warning in told) == (meanwhile == "cancelled")


def test_before_the_switch_it_can_be_cancelled_while_it_waits(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the new order is in force yet."""
    name = begin(context)

    def fail() -> None:
        project_jobs.cancel(context.project_id)
        raise LabelStudioError("answered 503", status=503)

    during(monkeypatch, "imported", fail)
    assert "stopped" in entry_points.finish_round(context.project_id, name)
    assert in_force(context)[1] == ""
    assert not any("waits for" in warning for warning in read_status(context.project_id)["warnings"])


def test_an_error_that_does_not_pass_is_told_at_once(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that might, after a while."""
    monkeypatch.setattr(job, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(job, "LONGEST_OVERLOAD", 0.15)
    name, asked = begin(context), []

    def fail() -> None:
        asked.append(code)
        raise LabelStudioError(f"answered {code}", status=code)

    during(monkeypatch, "imported", fail)
    for code, times in ((400, 1), (500, 2)):
        asked.clear()
        with pytest.raises(LabelStudioError, match=f"answered {code}"):
            entry_points.finish_round(context.project_id, name)
        assert len(asked) <= times


def test_who_has_lost_the_fence_writes_no_more(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after the switch: another run of the job goes on with the same order."""
    name = begin(context)

    def lose() -> None:
        context.redis.delete(context.keys.fence("round"))
        assert Fence(context.redis, context.keys.fence("round")).take()
        context.redis.persist(context.keys.fence("round"))

    during(monkeypatch, "switched", lose)
    assert "taken over" in entry_points.finish_round(context.project_id, name)["stopped"]
    assert in_force(context) == (name, "")


def test_a_look_does_not_judge_by_the_order_of_before(
    context: Context, label_studio: LabelStudioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round ends just after the look has read the record of the one before, whose batch is finished:
    it needs no further round."""
    before = begin(context)
    entry_points.finish_round(context.project_id, before)
    record = round_in_force(context.storage, context.project_id)
    assert record is not None
    for task in record.batch:
        label(label_studio, task)
    name = begin(context)

    def late(storage: Storage, project_id: int) -> RoundRecord | None:
        old = round_in_force(storage, project_id)
        job = Job.fetch(
            str(enqueue.enqueue_units(context.redis, context.project_id, name, [])), connection=context.redis
        )
        entry_points.finish_round(context.project_id, name)
        job.set_status(JobStatus.FINISHED)
        monkeypatch.setattr(sync, "round_in_force", round_in_force)
        return old

    monkeypatch.setattr(sync, "round_in_force", late)
    entry_points.look(context.project_id)
    assert context.redis.hget(context.keys.info, "round") == name.encode()
    assert in_force(context) == (name, name)
    assert not pending_work.pending(context.redis, context.project_id, Work.ROUND).outstanding
