"""The first order of a project:
written by the workers for short jobs, whatever trains meanwhile and whether there are labels or not."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from redis import Redis

from backend.jobs import due_work, entry_points, estimate, sync
from backend.labelstudio.labels.config import EXAMPLE
from backend.labelstudio.order import priorities
from backend.project.context import Context, open_context
from backend.queue import enqueue, pending_work, project_jobs, round_request
from backend.queue.connection import COMPUTE, CONTROL, named
from backend.queue.pending_work import Work
from backend.queue.progress import Progress
from backend.settings import get_settings
from backend.store.round_record import round_in_force
from tests.service.burst import work_off
from tests.states import read_status


@pytest.fixture
def context(
    redis: Redis, use_label_studio: Callable[..., httpx.Client], image_url: Callable[[int], str]
) -> Context:
    """A project of six images of which the first two are labelled; no worker runs."""
    http = use_label_studio(project_defaults={"budget": 2})
    project = int(
        http.post("/api/projects", json={"title": "First", "label_config": EXAMPLE})
        .raise_for_status()
        .json()["id"]
    )
    tasks = [{"data": {"image": image_url(number)}} for number in range(6)]
    http.post(f"/api/projects/{project}/import", json=tasks).raise_for_status()
    found = open_context(project)
    for task in found.client.task_ids(project)[:2]:
        http.post(f"/api/tasks/{task}/annotations/", json={"result": []}).raise_for_status()
    pending_work.register(redis, project)
    return found


def look_at(context: Context) -> None:
    sync.reconcile(context, Progress(context.redis, context.project_id, "test", "look"))


def work_through(context: Context, name: str) -> None:
    """Have a real worker of one queue do all that waits there; several times, as jobs want further ones."""
    for _ in range(3):
        due_work.dispatch(context.redis, get_settings())
        work_off(name)


def test_is_written_while_all_workers_for_trainings_are_busy(context: Context) -> None:
    """A project with labels has its order although no training, of whatever project, comes to its end."""
    enqueue.enqueue_training(context.project_id + 1)
    look_at(context)
    work_through(context, CONTROL)
    waiting = {job.meta["project"] for job in named(COMPUTE).get_jobs()}
    assert context.project_id + 1 in waiting
    record = round_in_force(context.storage, context.project_id)
    assert record is not None
    assert (record.reason, record.cold_start) == ("the first order", True)
    assert [place.task_id for place in priorities.order(context.client, context.project_id)] == record.order
    assert len(record.order) == 4


def test_time_of_a_training_is_told_before_it_begins(context: Context) -> None:
    """It is measured with the first order;
    another project of the same recipe is told the same, and nothing is timed again."""
    assert read_status(context.project_id)["training_seconds"] is None
    entry_points.write_first_order(context.project_id)
    assert read_status(context.project_id)["version"] is None
    measured = read_status(context.project_id)["training_seconds"]
    assert measured > 0
    (key,) = context.redis.keys("tdal:step-seconds:*")
    context.redis.set(key, 10 * float(context.redis.get(key) or 0), keepttl=True)
    estimate.note_estimate(context, Progress(context.redis, context.project_id, "test", Work.FIRST_ORDER))
    assert read_status(context.project_id)["training_seconds"] > 5 * measured
    assert context.redis.ttl(key) > 0


def test_leaves_to_the_next_round_what_a_person_asked_for(context: Context) -> None:
    """A strategy cannot choose before there is a model; the request stands."""
    enqueue.enqueue_round(context.project_id, "asked for", strategy="ensemble")
    entry_points.write_first_order(context.project_id)
    assert round_in_force(context.storage, context.project_id) is not None
    assert round_request.read_pending(context.redis, context.project_id).strategy == "ensemble"
    assert pending_work.pending(context.redis, context.project_id, Work.ROUND).outstanding


def test_second_run_changes_nothing(context: Context) -> None:
    """A job that runs twice, or comes when a round has written an order already, leaves that in force."""
    entry_points.write_first_order(context.project_id)
    before = round_in_force(context.storage, context.project_id)
    pending_work.request(context.redis, context.project_id, Work.FIRST_ORDER)
    assert "already" in entry_points.write_first_order(context.project_id)["reason"]
    assert round_in_force(context.storage, context.project_id) == before
    assert not pending_work.pending(context.redis, context.project_id, Work.FIRST_ORDER).outstanding


def test_cancelled_is_not_written_until_a_label_comes(context: Context) -> None:
    """As everything that a person cancelled."""
    look_at(context)
    project_jobs.cancel(context.project_id)
    work_through(context, CONTROL)
    look_at(context)
    assert not pending_work.pending(context.redis, context.project_id, Work.FIRST_ORDER).outstanding
    assert round_in_force(context.storage, context.project_id) is None
