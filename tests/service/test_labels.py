"""What labels mean for the model: those that mark nothing, and those whose name is gone.
A real Label Studio and Redis; jobs run here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from redis import Redis
from rq.job import Job

from backend.doctor.labels import check_labels
from backend.finding import Severity
from backend.jobs import entry_points, sync
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import from_mask
from backend.labelstudio.order import priorities
from backend.project.context import Context, Setup, open_context
from backend.project.labels.labels import read_labels
from backend.project.labels.review import review
from backend.queue import pending_work
from backend.queue.job_result import JobResult
from backend.queue.progress import Progress
from backend.store.round_record import round_in_force
from backend.store.version_record import VersionRecord
from tests.service.conftest import TINY, picture
from tests.states import read_status

RENAMED = EXAMPLE.replace("Axon", "Neurite")


@dataclasses.dataclass
class Lab:
    """A project of eight images, and who labels them."""

    context: Context
    http: httpx.Client
    tasks: list[int]

    def label(self, task: int, mask: np.ndarray[Any, Any] | None = None, config: str = EXAMPLE) -> None:
        """Submit the true mask of an image, or another."""
        shown = picture(self.tasks.index(task))[1] if mask is None else mask
        body = {"result": from_mask(shown.astype(np.uint8), parse(config)), "lead_time": 1}
        self.http.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status()

    def configure(self, config: str) -> None:
        """Save another labelling configuration."""
        self.http.patch(
            f"/api/projects/{self.context.project_id}/", json={"label_config": config}
        ).raise_for_status()

    def train(self) -> JobResult:
        return entry_points.train(self.context.project_id, "test")

    def look(self) -> None:
        sync.reconcile(self.context, Progress(self.context.redis, self.context.project_id, "test", "look"))

    def write_order(self) -> None:
        """A round from its start to its end; of fewer than three labels, so that nothing is trained in it."""
        started = entry_points.start_round(self.context.project_id, "test")
        follower = Job.fetch(str(started["next"]), connection=self.context.redis)
        follower.delete()  # done here, as no worker runs
        entry_points.finish_round(self.context.project_id, str(started["round"]))

    def shown(self) -> dict[int, tuple[int, float, list[str]]]:
        """What is on show: task to the prediction's id, its score and the labels of its regions."""
        record = round_in_force(self.context.storage, self.context.project_id)
        assert record is not None
        found = {}
        for task in record.order:
            (item,) = [each for each in self._predictions(task) if each["model_version"] == record.round]
            labels = [region["value"]["brushlabels"][0] for region in item["result"]]
            found[task] = (int(item["id"]), float(item["score"]), labels)
        return found

    def warnings(self) -> str:
        return "\n".join(read_status(self.context.project_id)["warnings"])

    def _predictions(self, task: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (
            self.http.get("/api/predictions/", params={"task": task}).raise_for_status().json()
        )
        return found


@pytest.fixture
def lab(redis: Redis, use_label_studio: Callable[..., httpx.Client], image_url: Callable[[int], str]) -> Lab:
    http = use_label_studio(project_defaults={"budget": 2, "folds": 2})
    project = int(
        http.post("/api/projects", json={"title": "Labels", "label_config": EXAMPLE})
        .raise_for_status()
        .json()["id"]
    )
    http.post(
        f"/api/projects/{project}/import", json=[{"data": {"image": image_url(each)}} for each in range(8)]
    ).raise_for_status()
    pending_work.register(redis, project)
    context = open_context(project)
    return Lab(context, http, context.client.task_ids(project))


def test_labels_that_mark_nothing_are_told_and_make_no_model(lab: Lab) -> None:
    """The first real labels do; the empty ones then are learnt from, and told as what they may be."""
    nothing = np.zeros((80, 96))
    for task in lab.tasks[:3]:
        lab.label(task, nothing)
    result = lab.train()
    assert (result["version"], lab.context.versions.names()) == (None, [])
    assert "marks nothing" in result["reason"]
    assert "No model is trained" in lab.warnings()
    (told,) = check_labels(lab.context.settings, lab.context.project_id)
    assert told.severity is Severity.WARNING
    assert "brush or a polygon" in told.text

    for task in lab.tasks[3:5]:
        lab.label(task)
    assert lab.train()["published"]
    record = lab.context.versions.current_record()
    assert record is not None
    assert (len(record.tasks), record.undecisive) == (5, tuple(map(str, lab.tasks[:3])))
    assert record.held_out_dice == pytest.approx(
        np.mean([record.held_out[str(task)] for task in lab.tasks[3:5]]), abs=1e-4
    )
    assert "3 of 5 labels mark nothing (" in lab.warnings()
    assert f"tasks {', '.join(map(str, lab.tasks[:3]))})" in lab.warnings()


def test_objects_that_the_working_size_loses_are_told(lab: Lab) -> None:
    """With the size that keeps them, among the notes of a training."""
    dots = np.zeros((80, 96))
    dots[4:76:9, 5:91:9] = 1
    lab.label(lab.tasks[0], dots)
    (made,) = lab.http.get(f"/api/tasks/{lab.tasks[0]}/").json()["annotations"]

    def drawn_by(origin: str) -> None:
        regions = [region | {"origin": origin} for region in made["result"]]
        lab.http.patch(f"/api/annotations/{made['id']}/", json={"result": regions}).raise_for_status()

    drawn_by("manual")
    setup = lab.context.setup()
    for side, told in ((32, '"max_side": 96 keeps them'), (96, "")):
        options = setup.options.model_copy(update={"recipe": {"max_side": side}})
        chosen = Setup(setup.project, setup.config, options, setup.settings)
        note = review(read_labels(lab.context, chosen, lambda *_: None), setup.config)["labels: small"]
        assert told in note
        assert bool(told) == bool(note)

    # What the model drew, and somebody submitted, is no object of theirs.
    for origin, counts in (("manual", True), ("prediction-changed", False), ("prediction", False)):
        drawn_by(origin)
        small = setup.options.model_copy(update={"recipe": {"max_side": 32}})
        chosen = Setup(setup.project, setup.config, small, setup.settings)
        note = review(read_labels(lab.context, chosen, lambda *_: None), setup.config)["labels: small"]
        assert bool(note) == counts, origin


def test_a_version_of_empty_labels_of_an_early_edition_blocks_nothing(lab: Lab) -> None:
    """It is in use with a dice of 1;
    doctor tells, and the next training that learns something takes its place."""
    context = lab.context
    for task in lab.tasks[:2]:
        lab.label(task)
    lab.train()
    idle = {str(task): 1.0 for task in lab.tasks[5:8]}
    early = VersionRecord(
        "v2", "early", "2026-01-01", ("Axon",), dict.fromkeys(idle, "a digest"), 0, TINY, {}, idle, 1.0
    )
    context.versions.save(context.versions.load("v1"), early)
    context.versions.make_current("v2", by="training")
    (told,) = check_labels(context.settings, context.project_id)
    assert "all mark nothing" in told.text
    assert told.remedy == f"python -m backend train --project {context.project_id} --wait"
    assert lab.train()["published"]
    assert context.versions.current() == "v3"


@pytest.mark.parametrize(
    ("masks", "told"),
    [
        ([np.ones((80, 96))] * 2, "2 labels cover every pixel"),
        ([picture(0)[1]] * 2, "Labels are the same in every pixel, though drawn on different images"),
    ],
)
def test_labels_that_cover_everything_or_are_copied_do_not_decide(
    lab: Lab, masks: list[np.ndarray[Any, Any]], told: str
) -> None:
    """A model of them alone meets them exactly, as no real one does."""
    for task, mask in zip(lab.tasks, masks, strict=False):
        lab.label(task, mask)
    lab.label(lab.tasks[2], np.zeros((80, 96)))
    lab.train()
    assert told in lab.warnings()
    for task in lab.tasks[3:5]:
        lab.label(task)
    assert lab.train()["published"]


def test_a_renamed_label_takes_its_masks_along_and_no_version_of_fewer_labels_takes_over(lab: Lab) -> None:
    """Masks of the old name go at the next look, in place; the lost labels are told, with what keeps them;
    put back, all is as before."""
    context = lab.context
    for task in lab.tasks[:2]:
        lab.label(task)
    lab.train()
    lab.write_order()
    lab.look()
    before = lab.shown()
    assert {label for _, _, labels in before.values() for label in labels} == {"Axon"}

    lab.configure(RENAMED)
    lab.look()
    after = lab.shown()
    assert {task: row[:2] for task, row in after.items()} == {
        task: row[:2] for task, row in before.items()
    }  # the rows and places stay
    assert not any(labels for _, _, labels in after.values())
    assert (
        "v1 was trained on the labels Axon, and the labelling configuration now has Neurite" in lab.warnings()
    )

    lab.label(lab.tasks[2], config=RENAMED)
    result = lab.train()
    assert (result["version"], result["published"], context.versions.current()) == ("v2", False, "v1")
    assert (
        "Version v2 was trained but is not in use: trained on fewer labels, 1 in place of 2" in lab.warnings()
    )
    assert "they say 'Axon'" in lab.warnings()
    assert '<Label value="Neurite" alias="Axon"/>' in lab.warnings()
    lab.write_order()
    record = round_in_force(context.storage, context.project_id)
    assert record is not None
    assert record.cold_start
    assert "other labels (Axon)" in record.message

    lab.configure(RENAMED.replace('"Neurite"', '"Neurite" alias="Axon"'))
    lab.look()
    lab.train()
    assert "v1 was trained on the labels" not in lab.warnings()
    assert "learnt from" not in lab.warnings()
    assert {label for _, _, labels in lab.shown().values() for label in labels} == {"Axon"}
    assert [place.task_id for place in priorities.order(context.client, context.project_id)] == record.order
