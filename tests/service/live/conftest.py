"""A project of images of discs whose live turns are taken here, and what happens in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from backend.jobs import entry_points, live_turn, promotion
from backend.jobs.round import features
from backend.labelstudio.labels.config import EXAMPLE
from backend.labelstudio.labels.regions import from_mask
from backend.labelstudio.order import priorities
from backend.project.context import Context, open_context
from backend.queue import pending_work
from backend.queue.pending_work import Event, Work
from backend.store.round_record import RoundRecord, round_in_force
from backend.store.version_record import Learner
from model.pixels.stacked import train_networks
from tests.service.conftest import picture, trained_model

IMAGES = 8


@dataclasses.dataclass
class Lab:
    """A project of images of discs and what happens in it."""

    context: Context
    http: httpx.Client
    numbers: dict[int, int]  # task id to the number of its picture

    @property
    def project(self) -> int:
        return self.context.project_id

    @property
    def record(self) -> RoundRecord:
        """Of the order in force."""
        found = round_in_force(self.context.storage, self.project)
        assert found is not None
        return found

    def label(self, task: int | None = None) -> int:
        """Submit the true mask of a task, or of the next one; returns the task."""
        task = task or self.served()[0]
        mask = picture(self.numbers[task])[1]
        body = {"result": from_mask(mask, self.context.setup().config), "lead_time": 1}
        self.http.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status()
        pending_work.record(self.context.redis, self.project, Event(Work.TRAINING, 1, (task,)))
        return task

    def served(self) -> list[int]:
        """The open tasks in the order in which Label Studio serves them."""
        return [place.task_id for place in priorities.order(self.context.client, self.project)]

    def turn(self) -> dict[str, Any]:
        """Take a live turn."""
        return dict(entry_points.take_live_turn(self.project))

    def rows(self) -> dict[str, int]:
        """How many predictions of each round there are."""
        return self.context.client.versions(self.project)

    def shows(self, task: int) -> bool:
        """Whether a task shows a mask in the order in force."""
        found = self.context.client.task_predictions(task)
        return any(item.regions for item in found if item.model_version == self.record.served_as)

    def row(self, task: int) -> int:
        """The number of a task's prediction in the order in force."""
        found = self.context.client.task_predictions(task)
        return next(item.id for item in found if item.model_version == self.record.served_as)

    def train_unet(self, change: float) -> str:
        """A U-Net of the same labels comes, so much better on the held-out images; returns its name."""
        newest = self.context.versions.newest_record(Learner.PIXEL)
        assert newest is not None
        held_out = dict.fromkeys(newest.tasks, 0.5 + change)
        made = dataclasses.replace(
            newest,
            kind=Learner.UNET,
            held_out=held_out,
            recipe=trained_model(60, 2).recipe.to_dict(),
            job="unet",
        )
        with promotion.deciding(self.context) as fence:
            made = promotion.keep(self.context, trained_model(60, 2), made, measured=True, check=fence.check)
            promotion.put_in_use(self.context, made, check=fence.check)
        return made.name


@pytest.fixture
def lab(
    use_label_studio: Callable[..., httpx.Client],
    image_url: Callable[[int], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Lab:
    """A project without labels that has its first order; no worker runs.
    The image of one of its tasks is none."""
    # Good enough for discs; what is tested is what becomes of the masks.
    monkeypatch.setitem(train_networks.__kwdefaults__, "steps", 60)  # type: ignore[arg-type]
    http = use_label_studio(project_defaults={"live": True, "budget": 2, "folds": 2})
    body = {"title": "Live", "label_config": EXAMPLE}
    project = int(http.post("/api/projects", json=body).raise_for_status().json()["id"])
    pictures = [*range(IMAGES - 1), 500]
    tasks = [{"data": {"image": image_url(number)}} for number in pictures]
    http.post(f"/api/projects/{project}/import", json=tasks).raise_for_status()
    context = open_context(project)
    pending_work.register(context.redis, project)
    entry_points.write_first_order(project)
    numbers = dict(zip(sorted(context.client.task_ids(project)), pictures, strict=True))
    return Lab(context, http, numbers)


class Killed(BaseException):
    """What stands for the end of a process."""


def killed(*_: object, **__: object) -> None:
    raise Killed


def take_turn(lab: Lab, job_id: str) -> dict[str, Any]:
    from backend.jobs.job import hold_fence

    with hold_fence(lab.context, "round", job_id, Work.LIVE) as progress:
        assert progress is not None
        return dict(live_turn.take_turn(lab.context, progress, job_id=job_id))


def all_features(lab: Lab) -> bool:
    keys = lab.context.redis.scan_iter(lab.context.keys.features("*"))
    return any(lab.context.redis.hexists(key, features.DONE) for key in keys)


def settings_of(lab: Lab) -> dict[str, Any]:
    names = ("redis_url", "model_dir", "recipe", "label_studio_url")
    found = {name: getattr(lab.context.settings, name) for name in names}
    return {**found, "label_studio_api_key": lab.context.settings.api_key}
