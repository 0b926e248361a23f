"""Images that are shown without a mask: Label Studio shows none, whatever is written, and submits count."""

from __future__ import annotations

import dataclasses

import pytest

from backend.jobs import entry_points
from backend.jobs.round import finish
from backend.labelstudio.labels.regions import from_mask
from backend.labelstudio.order.unmasked import Unmasked
from backend.project import live_quality
from backend.project.context import open_context
from backend.queue import pending_work
from backend.queue.pending_work import Event, Work
from backend.settings import get_settings
from backend.store.round_pictures import INDEX
from tests.service.conftest import picture
from tests.service.live.conftest import Lab, lab
from tests.states import read_status

__all__ = ["lab"]
DEFAULTS = '{"strategy": "herding", "budget": 2, "folds": 2, "unmasked_share": 0.5}'


def test_a_share_is_shown_without_a_mask(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """After live turn, sync, top-up and rollback. What is submitted there is learnt, and timed apart."""
    monkeypatch.setenv("PROJECT_DEFAULTS", DEFAULTS)
    get_settings.cache_clear()
    monkeypatch.setattr(Unmasked, "__contains__", lambda self, task: self.share > 0 and task % 2 == 0)
    monkeypatch.setattr(finish, "LIVE_SECONDS", 600.0)  # all masks, however busy the machine is
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    broken = max(lab.numbers)
    lab.label()
    lab.turn()
    assert_shown(lab, broken)
    pictures = lab.context.storage.read_json(f"projects/{lab.project}/rounds/{lab.record.round}/{INDEX}")
    assert pictures is not None
    for task in set(lab.served()) - {broken}:
        assert pictures["tasks"][str(task)]["hidden"] == (task % 2 == 0)

    submitted = {submit(lab) for _ in range(4)}
    entry_points.look(lab.project)
    lab.turn()
    assert_shown(lab, broken)
    found = {each.task: each for each in live_quality.read(lab.context.storage, lab.context.folder)}
    assert {task: found[task].shown for task in submitted} == {task: task % 2 == 1 for task in submitted}
    assert not any(each.unchanged for each in found.values() if not each.shown)
    assert "more of images without" in read_status(lab.project)["time_saved"]
    assert {str(task) for task in submitted} <= set(lab.context.versions.record("v2").tasks)

    lab.context.redis.delete(lab.context.keys.drawn(lab.record.round))  # as after a loss of Redis
    entry_points.look(lab.project)
    assert_shown(lab, broken)
    entry_points.roll_back(lab.project, "v1")
    assert lab.record.version == "v1"
    assert_shown(lab, broken)


def assert_shown(lab: Lab, broken: int) -> None:
    """Every open image with a mask but for the chosen ones; each has its place."""
    served = lab.served()
    assert served == [task for task in lab.record.order if task in served]
    shown = {task: lab.shows(task) for task in served if task != broken}
    assert shown == {task: task % 2 == 1 for task in shown}
    assert lab.record.masks <= sum(shown.values())


def submit(lab: Lab) -> int:
    """Label the next image as the labelling page does, naming the prediction that it opened with."""
    task = lab.context.client.next_task(lab.project)
    assert task is not None
    number, shown = int(task["id"]), task["predictions"]
    assert bool(shown[0]["result"]) == (number % 2 == 1)
    body = {
        "result": from_mask(picture(lab.numbers[number])[1], lab.context.setup().config),
        "lead_time": 0.01,
        "parent_prediction": shown[0]["id"],
    }
    lab.http.post(f"/api/tasks/{number}/annotations/", json=body).raise_for_status()
    pending_work.record(lab.context.redis, lab.project, Event(Work.TRAINING, 1, (number,)))
    return number
