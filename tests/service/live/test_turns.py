"""A live turn: what a label changes, seconds after it was submitted, and without a U-Net."""

from __future__ import annotations

import dataclasses

import pytest

from backend.jobs import due_work, entry_points
from backend.project.context import open_context
from backend.queue import pending_work
from backend.queue.pending_work import Work
from backend.queue.project_info import ProjectInfo
from backend.settings import get_settings
from backend.store.version_record import Learner
from tests.service.live.conftest import IMAGES, Lab
from tests.states import list_versions, read_status


def test_first_label_brings_masks_and_an_order(lab: Lab) -> None:
    """Without a U-Net; a task whose image is none is named, comes last and stops nothing.
    Another turn finds all as it is, and writes nothing."""
    before, broken = lab.record, max(lab.numbers)
    task = lab.label()
    result = lab.turn()
    record = lab.record
    assert (result["version"], result["round"], record.version) == ("v1", record.round, "v1")
    assert (record.cold_start, record.strategy, record.learnt) == (False, "task_dependent", "v1")
    assert lab.context.versions.record("v1").kind is Learner.PIXEL
    served = lab.served()
    assert served == record.order
    assert set(served) == set(lab.numbers) - {task}
    assert served[-1] == broken
    assert str(broken) in record.unreadable
    assert all(lab.shows(each) for each in served[:-1])
    assert lab.rows()[before.round] == IMAGES  # somebody may have one of them open
    status = read_status(lab.project)
    assert "no U-Net is trained yet" in status["version"]["choice"]
    assert list_versions(lab.project)["versions"][0]["kind"] == "pixel"

    rows = lab.rows()
    pending_work.request(lab.context.redis, lab.project, Work.LIVE)
    assert lab.turn()["round"] == ""
    assert (lab.rows(), lab.record) == (rows, record)
    assert lab.context.versions.names() == ["v1"]


def test_a_better_u_net_takes_over_the_masks(lab: Lab) -> None:
    """In the same order, at once; status and versions tell why. A person may choose the other one,
    and a turn without a new label leaves it so."""
    for _ in range(2):
        lab.label()
    lab.turn()
    order = lab.served()
    worse = lab.train_unet(-0.5)
    assert lab.turn()["round"] == ""
    assert lab.context.versions.current() == "v1"
    better = lab.train_unet(0.5)
    result = lab.turn()
    assert (lab.record.version, lab.record.round) == (better, result["round"])
    assert lab.served() == order
    assert lab.shows(order[0])
    assert "The U-Net draws the masks: 1.00 against" in read_status(lab.project)["version"]["choice"]

    entry_points.roll_back(lab.project, "v1", "I like it better", "Ada")
    assert (lab.record.version, lab.served()) == ("v1", order)
    assert lab.turn()["round"] == ""
    assert lab.context.versions.current() == "v1"
    assert "Ada chose v1" in read_status(lab.project)["version"]["choice"]
    entry_points.roll_back(lab.project, worse)
    assert (lab.record.version, lab.context.versions.current()) == (worse, worse)


def test_an_order_by_looks_follows_each_label_too(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no network, and is told with its reasons."""
    monkeypatch.setenv("PROJECT_DEFAULTS", '{"strategy": "herding", "budget": 2, "folds": 2}')
    get_settings.cache_clear()
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    task = lab.label()
    lab.turn()
    record = lab.record
    assert (record.strategy, record.cold_start, record.learnt) == ("herding", False, "v1")
    assert task not in record.order
    assert "looks" in str(record.queries[record.order[0]].reason)


def test_other_strategies_get_their_masks_at_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their order comes with the batch, as it takes U-Nets."""
    monkeypatch.setenv(
        "PROJECT_DEFAULTS", '{"strategy": "coverage", "budget": 2, "folds": 2, "similarity": "unet"}'
    )
    get_settings.cache_clear()
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    before = lab.record
    task = lab.label()
    lab.turn()
    assert (lab.record.version, lab.record.order_of, lab.record.cold_start) == ("v1", before.round, True)
    assert lab.served() == [each for each in before.order if each != task]
    assert lab.shows(lab.served()[0])


def test_a_batch_that_a_person_asked_for_holds_until_it_is_labelled_or_skipped(lab: Lab) -> None:
    """An image that everybody has skipped is not waited for."""
    lab.label()
    lab.turn()
    kept, *others = lab.served()
    asked = dataclasses.replace(lab.record, requested=True, batch=[kept])
    asked.save(lab.context.storage, lab.project)
    lab.label(others[0])
    lab.turn()
    assert lab.record.batch == [kept]
    skip = {"result": [], "was_cancelled": True}
    lab.http.post(f"/api/tasks/{kept}/annotations/", json=skip).raise_for_status()
    lab.label(others[1])
    lab.turn()
    assert not lab.record.requested
    assert kept not in lab.record.batch or len(lab.record.batch) > 1


def test_switched_off_it_does_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """No job is made, a sync is not disturbed, and rounds compare by U-Nets as before."""
    before = lab.record
    ProjectInfo(extra_params='{"live": false}').save(lab.context.redis, lab.project)
    lab.label()
    assert all("live" not in job for job in due_work.dispatch(lab.context.redis, get_settings()))
    assert not pending_work.pending(lab.context.redis, lab.project, Work.LIVE).outstanding
    monkeypatch.setenv("PROJECT_DEFAULTS", '{"live": false}')
    get_settings.cache_clear()
    assert "switched off" in lab.turn()["reason"]
    assert (lab.record, lab.context.versions.names()) == (before, [])
    assert open_context(lab.project).project_settings().strategy_options["similarity"] == "unet"
