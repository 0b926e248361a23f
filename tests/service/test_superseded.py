"""The predictions of superseded orders:
an open page can be submitted after any new order, and they go when nobody has one open."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest

from backend.demo.server import LabelStudioServer
from backend.errors import FenceLostError, LabelStudioError, UnreachableError
from backend.jobs import entry_points, rollback, sync
from backend.jobs.superseded import KEPT_SECONDS, clear_superseded
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import from_mask
from backend.labelstudio.order.superseded import NAMED
from backend.project.context import Context
from backend.queue import enqueue, pending_work, project_jobs
from backend.queue.lease import Fence
from backend.queue.pending_work import Work
from backend.queue.progress import Progress
from backend.queue.project_info import ProjectInfo
from backend.store.round_record import round_in_force
from tests.service.conftest import picture, publish_version
from tests.service.test_round_end import begin, client, context, during

__all__ = ["context"]

DAY = KEPT_SECONDS


@pytest.fixture
def ordered(context: Context) -> Context:
    """An order in force, without a model."""
    entry_points.finish_round(context.project_id, begin(context))
    return context


@pytest.fixture
def labelled(context: Context) -> Context:
    """Two versions of a model, v2 in use, and its order with masks in force."""
    for name in ("v1", "v2"):
        publish_version(context.settings.model_dir, context.project_id, name, steps=5)
    entry_points.finish_round(context.project_id, begin(context))
    return context


def progress(context: Context, kind: str = "look") -> Progress:
    return Progress(context.redis, context.project_id, "test", kind)


def opened(context: Context) -> tuple[int, int]:
    """The task that "Label All Tasks" opens, and the prediction that its page names."""
    task = context.client.next_task(context.project_id)
    assert task is not None
    [prediction] = task["predictions"]
    return int(task["id"]), int(prediction["id"])


def submit(label_studio: LabelStudioServer, task: int, prediction: int) -> int:
    """Submit an edited mask as the page does; returns the annotation's id."""
    regions = from_mask(picture(0)[1], parse(EXAMPLE))
    with client(label_studio) as http:
        answer = http.post(
            f"/api/tasks/{task}/annotations/", json={"result": regions, "parent_prediction": prediction}
        )
        assert answer.status_code == 201, answer.text
        assert answer.json()["result"] == regions
        return int(answer.json()["id"])


def a_round(context: Context) -> None:
    entry_points.finish_round(context.project_id, begin(context))
    entry_points.finish_round(context.project_id, begin(context))


def a_rollback(context: Context) -> None:
    rollback.roll_back(context, progress(context), rollback.Request("v1", "test", ""), job_id="back")
    assert context.versions.current() == "v1"


def a_rollback_that_fails(context: Context) -> None:
    """Label Studio goes away when it has been switched; a look brings the order of before back."""

    class Away(LabelStudio):
        def switch_version(self, project_id: int, version: str) -> None:
            super().switch_version(project_id, version)
            raise UnreachableError("away")

    away = dataclasses.replace(context, client=Away(context.client.url, context.settings.api_key))
    with pytest.raises(UnreachableError):
        rollback.roll_back(away, progress(context), rollback.Request("v1", "test", ""), job_id="away")
    sync.reconcile(context, progress(context))
    assert context.versions.current() == "v2"


def new_tasks(context: Context) -> None:
    task = next(context.client.tasks(context.project_id))
    headers = {"Authorization": f"Token {context.settings.api_key}"}
    address = f"{context.client.url}/api/projects/{context.project_id}/import"
    httpx.post(address, json=[{"data": task["data"]}], headers=headers, timeout=60).raise_for_status()
    sync.reconcile(context, progress(context))


def order_in_force(context: Context) -> str:
    record = round_in_force(context.storage, context.project_id)
    assert record is not None
    return record.round


def masks_that_redis_has_forgotten(context: Context) -> None:
    context.redis.delete(context.keys.drawn(order_in_force(context)))
    sync.reconcile(context, progress(context))


def test_what_was_open_before_can_be_submitted(labelled: Context, label_studio: LabelStudioServer) -> None:
    """Whatever is written to Label Studio meanwhile, a submit that names the prediction of before is saved,
    with its regions."""
    for meanwhile in (a_round, a_rollback_that_fails, new_tasks, masks_that_redis_has_forgotten, a_rollback):
        task, prediction = opened(labelled)
        meanwhile(labelled)
        submit(label_studio, task, prediction)


def test_what_was_open_while_a_rollback_was_taken_back_can_be_submitted(
    labelled: Context, label_studio: LabelStudioServer
) -> None:
    """Its masks were on show for a moment: then what Label Studio held was not what had been written."""
    seen: list[tuple[int, int]] = []

    class Watched(LabelStudio):
        def switch_version(self, project_id: int, version: str) -> None:
            super().switch_version(project_id, version)
            if not seen:
                seen.append(opened(labelled))
                raise UnreachableError("no answer")

    broken = dataclasses.replace(labelled, client=Watched(label_studio.url, label_studio.token))
    with pytest.raises(UnreachableError):
        rollback.roll_back(broken, progress(labelled), rollback.Request("v1", "test", ""), job_id="back")
    assert labelled.client.project(labelled.project_id).model_version == order_in_force(labelled)
    [(task, prediction)] = seen
    submit(label_studio, task, prediction)


def test_superseded_orders_go_a_day_later(ordered: Context, label_studio: LabelStudioServer) -> None:
    """Not before; and but for what labels name nothing of them stays, of labelled tasks neither."""
    project, studio = ordered.project_id, ordered.client
    first = order_in_force(ordered)
    task, prediction = opened(ordered)
    label = submit(label_studio, task, prediction)
    entry_points.finish_round(project, begin(ordered))
    second = order_in_force(ordered)
    started = time.time()
    sync.reconcile(ordered, progress(ordered))
    assert clear(ordered, started + DAY - 60) == 0
    assert studio.versions(project) == {first: 6, second: 5}
    writing = Fence(ordered.redis, ordered.keys.fence("round"))
    assert writing.take()
    with writing:  # an order is being written, maybe over old predictions
        assert clear(ordered, time.time() + DAY) == 0
    assert clear(ordered, time.time() + DAY) == 6
    assert studio.versions(project) == {second: 5, NAMED: 1}
    with client(label_studio) as http:
        assert (
            http.patch(
                f"/api/annotations/{label}/", json={"result": [], "parent_prediction": prediction}
            ).status_code
            == 200
        )
    assert not ordered.redis.hgetall(ordered.keys.superseded) or clear(ordered, time.time()) == 0
    assert ordered.redis.hlen(ordered.keys.superseded) == 0


def clear(context: Context, now: float) -> int:
    return clear_superseded(
        context, progress(context), context.client.project(context.project_id).model_version, now=now
    )


def test_what_redis_has_lost_counts_from_now(ordered: Context) -> None:
    """So does what an earlier release has left."""
    entry_points.finish_round(ordered.project_id, begin(ordered))
    now = time.time()
    assert clear(ordered, now) == 0
    ordered.redis.delete(ordered.keys.superseded)
    assert clear(ordered, now + DAY) == 0
    assert clear(ordered, now + 2 * DAY) == 6


def test_an_order_that_comes_in_force_again_is_kept_for_another_day(ordered: Context) -> None:
    """A person may choose any version in Label Studio's settings; the look puts the newest back."""
    project = ordered.project_id
    first = order_in_force(ordered)
    entry_points.finish_round(project, begin(ordered))
    second, now = order_in_force(ordered), time.time()
    assert clear(ordered, now) == 0
    ordered.client.switch_version(project, first)
    assert clear(ordered, now + DAY) == 0
    ordered.client.switch_version(project, second)
    assert clear(ordered, now + 1.5 * DAY) == 0
    assert clear(ordered, now + 2.5 * DAY) == 6


def test_an_order_that_was_never_in_force_goes_at_once(
    labelled: Context, label_studio: LabelStudioServer
) -> None:
    """A rollback fails before its switch."""
    before = labelled.client.versions(labelled.project_id)

    class Full(LabelStudio):
        def import_predictions(self, project_id: int, predictions: Sequence[Mapping[str, Any]]) -> int:
            super().import_predictions(project_id, predictions)
            raise LabelStudioError("answered 500", status=500)

    broken = dataclasses.replace(labelled, client=Full(label_studio.url, label_studio.token))
    with pytest.raises(LabelStudioError, match="500"):
        rollback.roll_back(broken, progress(labelled), rollback.Request("v1", "test", ""), job_id="never")
    assert labelled.client.versions(labelled.project_id) == before


def test_an_order_that_was_given_up_stops_no_clearing(
    ordered: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person cancels when it has been imported; while its job may go on, nothing goes."""
    project, now = ordered.project_id, time.time()
    entry_points.finish_round(project, begin(ordered))
    in_force, name = order_in_force(ordered), begin(ordered)
    assert clear(ordered, now) == 0

    def kill() -> None:
        raise FenceLostError("killed")

    with monkeypatch.context() as patch:
        during(patch, "imported", kill)
        entry_points.finish_round(project, name)
    assert ordered.client.versions(project)[name] == 6
    enqueue.enqueue_units(ordered.redis, project, name, [])
    assert clear(ordered, now + DAY) == 0
    project_jobs.cancel(project)
    assert clear(ordered, now + DAY) == 6
    assert clear(ordered, now + 2 * DAY) == 6
    assert ordered.client.versions(project) == {in_force: 6}


def test_deleting_predictions_of_labelled_tasks_trains_nothing(
    ordered: Context, label_studio: LabelStudioServer
) -> None:
    """Label Studio changes the time of a task whose prediction is deleted;
    a label that is changed is noticed as before."""
    project = ordered.project_id
    task, prediction = opened(ordered)
    label = submit(label_studio, task, prediction)
    entry_points.finish_round(project, begin(ordered))
    count, changed = ordered.client.labelled_since(project)
    annotations = ordered.setup().project.annotations
    seen = ProjectInfo(trained_count=count, trained_changed=changed, trained_annotations=annotations)
    seen.save(ordered.redis, project)
    assert clear(ordered, time.time()) == 0
    assert clear(ordered, time.time() + DAY) == 6
    assert ordered.client.labelled_since(project)[1] > changed
    sync.reconcile(ordered, progress(ordered))
    assert not pending_work.pending(ordered.redis, project, Work.TRAINING).outstanding
    with client(label_studio) as http:
        http.patch(f"/api/annotations/{label}/", json={"result": []}).raise_for_status()
    sync.reconcile(ordered, progress(ordered))
    assert pending_work.pending(ordered.redis, project, Work.TRAINING).outstanding
