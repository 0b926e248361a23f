"""Labels that are kept from turn to turn: only what has changed is read, and the outcome is that of reading
all. A real Label Studio and Redis."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from backend.labelstudio.http.answers import Region
from backend.labelstudio.image_cache import ImageCache, prune
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import from_mask
from backend.project import missing_images
from backend.project.context import Context, open_context
from backend.project.labels.kept_labels import KeptLabels
from backend.project.labels.labels import Labels, read_labels
from backend.project.missing_images import Lacks
from tests.service.conftest import picture

IMAGES = [0, 1, 2, 3, 500, 404]
"""Numbers of pictures; 500 is no image, and 404 is not there."""


@dataclasses.dataclass
class Lab:
    """A project whose images are all labelled, and what its annotators do."""

    context: Context
    http: httpx.Client
    tasks: dict[int, int]  # number of the picture to task id
    image_url: Callable[[int], str]

    def annotate(self, number: int, **fields: Any) -> int:
        """Submit a label of a picture's task; returns its id."""
        body = {"result": self.regions(number % 100), "lead_time": 1, **fields}
        answer = self.http.post(f"/api/tasks/{self.tasks[number]}/annotations/", json=body)
        return int(answer.raise_for_status().json()["id"])

    def change(self, annotation: int, **fields: Any) -> None:
        self.http.patch(f"/api/annotations/{annotation}/", json=fields).raise_for_status()

    def regions(self, number: int) -> list[Region]:
        """The discs of a picture as regions."""
        return from_mask(picture(number)[1], parse(EXAMPLE))

    def read(self) -> list[int]:
        """Read as a live turn does; returns the pictures whose labels were read and can be used."""
        seen: list[int] = []
        numbers = {task: number for number, task in self.tasks.items()}
        setup = self.context.setup()
        kept = KeptLabels.of(self.context, setup)
        found = read_labels(
            self.context, setup, lambda *_: None, lambda task, *_: seen.append(numbers[task]), kept=kept
        )
        kept.save()
        missing_images.remember(self.context, Lacks.TRAINING, found.missing)
        whole = read_labels(self.context, setup, lambda *_: None)
        assert _content(found) == _content(whole)
        return seen


def _content(labels: Labels) -> dict[str, Any]:
    """All that labels say, so that it can be compared; whether an image's problem is of today is not said."""
    masks = {task: mask.tobytes() for task, mask in labels.masks.items()}
    images = {task: np.asarray(labels.images[task]).tobytes() for task in labels.masks}
    return {**vars(labels), "masks": masks, "images": images, "ids": labels.ids}


@pytest.fixture
def lab(
    use_label_studio: Callable[..., httpx.Client],
    image_url: Callable[[int], str],
) -> Lab:
    """All tasks are labelled, and their labels were read."""
    http = use_label_studio()
    body = {"title": "Kept labels", "label_config": EXAMPLE, "maximum_annotations": 2}
    project = int(http.post("/api/projects", json=body).raise_for_status().json()["id"])
    tasks = [{"data": {"image": image_url(number)}} for number in IMAGES]
    http.post(f"/api/projects/{project}/import", json=tasks).raise_for_status()
    context = open_context(project)
    numbers = dict(zip(IMAGES, sorted(context.client.task_ids(project)), strict=True))
    return Lab(context, http, numbers, image_url)


def test_only_what_has_changed_is_read(lab: Lab) -> None:
    """Edits, ground truths, deleted annotations, other data and other images are seen; what cannot be used
    stays told."""
    first = {number: lab.annotate(number) for number in IMAGES}
    assert lab.read() == [0, 1, 2, 3]
    assert lab.read() == []
    lab.change(first[1], result=lab.regions(7))
    assert lab.read() == [1]
    second = lab.annotate(2, result=lab.regions(8))
    assert lab.read() == [2]
    lab.change(first[2], ground_truth=True)
    assert lab.read() == [2]
    lab.change(second, ground_truth=True)
    assert lab.read() == [2]
    lab.http.delete(f"/api/annotations/{second}/").raise_for_status()
    assert lab.read() == [2]
    lab.http.delete(f"/api/annotations/{first[0]}/").raise_for_status()
    assert lab.read() == []
    lab.http.delete(f"/api/tasks/{lab.tasks[1]}/").raise_for_status()
    assert lab.read() == []
    data = {"image": lab.image_url(9)}
    lab.http.patch(f"/api/tasks/{lab.tasks[500]}/", json={"data": data}).raise_for_status()
    assert lab.read() == [500]
    address = lab.image_url(3)
    ImageCache(lab.context.image_cache, lab.context.client.url).put(address, picture(11)[0])
    assert lab.read() == [3]
    assert lab.read() == []
    # "Remove Duplicated Tasks" moves the annotations of one to the other, and changes neither.
    lab.annotate(0)
    lab.http.patch(f"/api/tasks/{lab.tasks[3]}/", json={"data": {"image": lab.image_url(0)}})
    lab.change(first[3], result=lab.regions(7))
    assert lab.read() == [0, 3]
    action = f"/api/dm/actions?id=remove_duplicates&project={lab.context.project_id}"
    lab.http.post(action, json={"selectedItems": {"all": True, "excluded": []}}).raise_for_status()
    assert lab.read() == [0]


def test_whatever_is_in_doubt_is_read_again(lab: Lab) -> None:
    """Another configuration, files that are damaged or gone, and those of another project of that number."""
    for number in (0, 1):
        lab.annotate(number)
    assert lab.read() == [0, 1]
    config = EXAMPLE.replace("</BrushLabels>", '<Label value="Another"/></BrushLabels>')
    lab.http.patch(f"/api/projects/{lab.context.project_id}/", json={"label_config": config})
    assert lab.read() == [0, 1]
    files = sorted(lab.context.image_cache.glob("label-*.kept"))
    assert len(files) == 2
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[: len(whole) // 2])
    files[1].write_bytes(whole)
    assert lab.read() == [0, 1]
    (lab.context.image_cache / "tasks.json").unlink()
    assert lab.read() == []
    for file in files:
        os.utime(file, (0, 0))
    prune(lab.context.image_cache.parent)
    assert lab.read() == [0, 1]


def test_a_training_renews_what_is_kept(lab: Lab) -> None:
    """No live turn fetches an image again that is none; a training does, and turns go on from that."""
    lab.annotate(500)
    lab.read()
    ImageCache(lab.context.image_cache, lab.context.client.url).put(lab.image_url(500), picture(5)[0])
    setup = lab.context.setup()
    kept = KeptLabels.of(lab.context, setup)
    read = read_labels(lab.context, setup, lambda *_: None, kept=kept, anew=True)
    assert read.ids == [str(lab.tasks[500])]
    kept.save()
    assert lab.read() == []  # and what is kept is that


def test_an_image_that_is_missing_is_tried_by_the_syncs(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """And read as soon as one finds it there; others are asked for by no turn."""
    lab.annotate(404)
    lab.annotate(0)
    lab.read()
    asked: list[Any] = []
    image = Context.image

    def ask(context: Context, task: Any, config: Any) -> bytes:
        asked.append(task["id"])
        return image(context, task, config)

    with monkeypatch.context() as patch:
        patch.setattr(Context, "image", ask)
        setup = lab.context.setup()
        labels = read_labels(lab.context, setup, lambda *_: None, kept=KeptLabels.of(lab.context, setup))
    assert asked == [lab.tasks[0]]
    assert set(labels.problems) == {str(lab.tasks[404])}
    missing_images.remember(lab.context, Lacks.TRAINING, ())
    ImageCache(lab.context.image_cache, lab.context.client.url).put(lab.image_url(404), picture(4)[0])
    assert lab.read() == [404]
