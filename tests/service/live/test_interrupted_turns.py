"""Live turns that a label, a person, an outage or a kill comes between."""

from __future__ import annotations

import dataclasses
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest
from rq import SimpleWorker
from typer.testing import CliRunner

from backend.cli import app
from backend.demo.server import LabelStudioServer
from backend.doctor.order import check_order
from backend.errors import LabelStudioError
from backend.jobs import due_work, entry_points, pixel_training
from backend.jobs.round import finish, next_places
from backend.project import live_quality
from backend.project.context import open_context
from backend.queue import enqueue, pending_work, project_jobs
from backend.queue.connection import CONTROL, Keys, named
from backend.queue.pending_work import Event, Work
from backend.settings import get_settings
from tests.faulty_proxy import Kind, faulty_proxy
from tests.service.live.conftest import IMAGES, Killed, Lab, killed, take_turn
from tests.states import read_status


def test_a_label_during_a_turn_means_exactly_one_more(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is learnt from there."""
    first = lab.label()
    train = pixel_training.train_on_pixels
    during: list[int] = []

    def train_meanwhile(*arguments: Any, **keywords: Any) -> Any:
        if not during:  # the labels are read by now
            during.append(lab.label())
        return train(*arguments, **keywords)

    monkeypatch.setattr("backend.jobs.live_turn.train_on_pixels", train_meanwhile)
    lab.turn()
    assert set(lab.context.versions.record("v1").tasks) == {str(first)}
    pending = pending_work.pending(lab.context.redis, lab.project, Work.LIVE)
    assert pending.outstanding
    lab.turn()
    assert set(lab.context.versions.record("v2").tasks) == {str(first), str(during[0])}
    assert not pending_work.pending(lab.context.redis, lab.project, Work.LIVE).outstanding
    assert not set(lab.served()) & {first, during[0]}


@pytest.mark.parametrize("part", ["train_on_pixels", "finish.end_round"])
def test_an_image_that_comes_during_a_turn_is_compared(
    lab: Lab, image_url: Callable[[int], str], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """By this turn, or by the next one, which needs no other label."""
    lab.label()
    name = f"backend.jobs.live_turn.{part}"
    real = pkgutil.resolve_name(name)

    def after_an_import(*arguments: Any, **keywords: Any) -> Any:
        monkeypatch.setattr(name, real)
        tasks = [{"data": {"image": image_url(IMAGES)}}]
        lab.http.post(f"/api/projects/{lab.project}/import", json=tasks).raise_for_status()
        return real(*arguments, **keywords)

    monkeypatch.setattr(name, after_an_import)
    lab.turn()
    new = max(lab.served())
    assert (new in lab.record.queries) == (part == "train_on_pixels")
    entry_points.look(lab.project)
    assert pending_work.pending(lab.context.redis, lab.project, Work.LIVE).outstanding
    lab.turn()
    assert new in lab.record.queries
    assert not lab.record.late
    assert lab.served() == lab.record.order
    assert lab.turn()["round"] == ""  # and then all is done


def test_a_turn_that_is_cancelled_or_cut_off_loses_no_label(
    lab: Lab, label_studio: LabelStudioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a person in the shell, or by a Label Studio that goes away while the order is written;
    the order in force stays, and the next turn learns all."""
    before, train = lab.record, pixel_training.train_on_pixels
    redis, tasks = lab.context.redis, [lab.label()]

    def cancel_meanwhile(*arguments: Any, **keywords: Any) -> Any:
        told = CliRunner().invoke(app, ["cancel", "--project", str(lab.project), "--yes"])
        assert (told.exit_code, "jobs end within seconds" in told.output) == (0, True), told.output
        return train(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr("backend.jobs.live_turn.train_on_pixels", cancel_meanwhile)
        job = enqueue.enqueue_live_turn(lab.project)
        SimpleWorker([named(CONTROL, redis)], connection=redis).work(burst=True)
    ended = project_jobs.fetch(redis, job)
    assert ended is not None
    assert "stopped" in (ended.return_value() or {})
    assert (lab.record, lab.served()) == (before, [task for task in before.order if task not in tasks])
    assert not pending_work.pending(redis, lab.project, Work.LIVE).outstanding
    assert "Cancelled by a person" in " ".join(read_status(lab.project)["warnings"])

    tasks.append(lab.label())
    with faulty_proxy(label_studio.url) as proxy:
        monkeypatch.setenv("LABEL_STUDIO_URL", proxy.url)
        get_settings.cache_clear()
        proxy.add(Kind.RESET, "import/predictions")
        with pytest.raises(LabelStudioError):
            lab.turn()
        assert (lab.record, lab.served()) == (before, [task for task in before.order if task not in tasks])
        assert pending_work.pending(redis, lab.project, Work.LIVE).outstanding
        versions = lab.context.versions.names()
        proxy.heal()
        lab.turn()
    assert lab.context.versions.names() == versions
    assert set(lab.context.versions.record(lab.record.learnt).tasks) == {str(task) for task in tasks}
    assert lab.served() == lab.record.order
    assert not pending_work.pending(redis, lab.project, Work.LIVE).outstanding


def test_a_turn_that_was_killed_is_done_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever: a second run of the same job goes on from there."""
    for part in ("rounds.begin_round", "finish.end_round"):
        lab.label()
        versions = len(lab.context.versions.names())
        with monkeypatch.context() as patch:
            patch.setattr(f"backend.jobs.live_turn.{part}", killed)
            with pytest.raises(Killed):
                take_turn(lab, f"live-{part}")
        assert pending_work.pending(lab.context.redis, lab.project, Work.LIVE).outstanding
        result = take_turn(lab, f"live-{part}")
        assert len(lab.context.versions.names()) == versions + 1
        assert (lab.record.round, lab.record.learnt) == (result["round"], result["version"])
        assert lab.served() == lab.record.order


def test_in_a_large_project_the_next_tasks_come_first(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the predictions that are there: none is written for the other tasks, whose places and masks stay.
    A page that shows one is submitted and compared with what it showed; a better U-Net draws there as well,
    and what was killed half-way is done again."""
    monkeypatch.setenv("PROJECT_DEFAULTS", '{"live": true, "strategy": "herding", "budget": 1, "folds": 2}')
    get_settings.cache_clear()
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    monkeypatch.setattr(next_places, "WHOLE", 2)
    monkeypatch.setattr(next_places, "NEXT", 3)
    monkeypatch.setattr(finish, "LIVE_MASKS", 2)
    for kept in ("ROUNDS_KEPT", "MASKS_KEPT"):
        monkeypatch.setattr(finish, kept, 1)
    base, before, rows = lab.record.round, lab.served(), lab.rows()
    lab.label()
    lab.turn()
    first = lab.record
    assert (first.served_as, first.version, first.learnt, lab.rows()) == (base, "v1", "v1", rows)
    assert lab.context.client.project(lab.project).model_version == base
    served = lab.served()
    assert served[:3] == first.order[:3]
    assert served[3:] == [task for task in before if task in served[3:]]
    assert [lab.shows(task) for task in served[:3]] == [True, True, False]
    entry_points.look(lab.project)  # which draws the others
    assert lab.served() == served
    assert all(lab.shows(task) for task in served if task != max(lab.numbers))

    shown = lab.context.client.task_regions(served[0], base)
    (prediction,) = shown
    body = {"result": shown[prediction], "parent_prediction": prediction, "lead_time": 0}
    lab.http.post(f"/api/tasks/{served[0]}/annotations/", json=body).raise_for_status()
    with monkeypatch.context() as patch:
        patch.setattr(finish, "put_in_force", killed)
        with pytest.raises(Killed):
            take_turn(lab, "live-killed")
    assert lab.record == first
    other = next(task for task in lab.served() if task not in first.first)
    lab.http.patch(f"/api/predictions/{lab.row(other)}/", json={"score": 1e-9}).raise_for_status()
    assert [each.severity for each in check_order(lab.context.settings, lab.project)] == ["warning"]
    entry_points.look(lab.project)
    assert lab.served()[:2] == [task for task in first.first if task != served[0]]
    assert [each.severity for each in check_order(lab.context.settings, lab.project)] == ["ok"]
    take_turn(lab, "live-killed")
    assert (lab.record.served_as, lab.record.version, lab.rows()) == (base, "v2", rows)
    assert lab.served()[:3] == lab.record.order[:3]
    assert lab.context.storage.names(f"{lab.context.folder}/rounds/{base}") == ["drawn"], "most are on show"
    agreement = live_quality.read(lab.context.storage, lab.context.folder)[-1]
    assert (agreement.task, agreement.version, agreement.same) == (served[0], "v1", True)

    order, computed = lab.served(), lab.record.origin
    better = lab.train_unet(0.5)
    lab.turn()
    assert (lab.record.served_as, lab.record.version, lab.record.origin) == (base, better, computed)
    assert (lab.served(), lab.rows()) == (order, rows)
    assert not [each for each in check_order(lab.context.settings, lab.project) if each.severity != "ok"]


def test_a_label_makes_one_job_before_all_others(lab: Lab) -> None:
    """However many labels; a sync that waits or runs ends for it, and a cancel takes it back."""
    redis = lab.context.redis
    pending_work.request(redis, lab.project, Work.SYNC)
    sync = enqueue.enqueue_sync(lab.project)
    for task in lab.served()[:3]:
        pending_work.record(redis, lab.project, Event(Work.TRAINING, 1, (task,)))
    (job,) = (job for job in due_work.dispatch(redis, get_settings()) if job.startswith("live-"))
    assert redis.sismember(Keys(lab.project).cancelled, sync)
    assert not any(job.startswith("live-") for job in due_work.dispatch(redis, get_settings()))
    waiting = project_jobs.waiting(redis, lab.project)
    assert Work.LIVE in waiting
    assert Work.SYNC not in waiting
    assert job in project_jobs.cancel(lab.project)
    assert not pending_work.pending(redis, lab.project, Work.LIVE).outstanding
