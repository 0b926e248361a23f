"""Images that are worked on side by side, until the time is up."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest

from backend.jobs.masks import predict_masks
from backend.jobs.masks.pre_annotation import PreAnnotator
from backend.jobs.round import features
from backend.project.context import Context
from backend.project.task_data import TaskImages
from backend.queue.progress import Progress
from tests.service.live.conftest import Lab
from tests.waiting import PATIENCE


def with_threads(lab: Lab, threads: int) -> Context:
    settings = lab.context.settings.model_copy(update={"threads": threads})
    return dataclasses.replace(lab.context, settings=settings)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_image_is_looked_at_left_for_later_or_has_a_problem(lab: Lab, threads: int) -> None:
    """One of these alone, or an order would hold it twice."""
    context = with_threads(lab, threads)
    setup = context.setup()
    images = TaskImages(context, setup.config, context.list_tasks().all.values(), setup.recipe.max_side)
    progress = Progress(context.redis, lab.project, "job", "live")
    for key in context.redis.scan_iter(context.keys.features("*")):
        context.redis.delete(key)
    looked = features.compute(context, setup, images, list(images), progress, seconds=0.0)
    broken = str(max(lab.numbers))
    assert looked.left
    assert broken in {*looked.left, *looked.problems}
    assert not looked.problems.keys() & set(looked.left)
    assert sorted(features.find_missing(context, setup, images)) == sorted(looked.left)


def test_a_mask_that_is_drawn_is_shown_also_if_the_first_one_takes_long(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the time is up no other is begun."""
    lab.label()
    lab.turn()
    context, order = with_threads(lab, 2), lab.served()[:-1]
    drawn: list[str] = []
    others = threading.Event()
    real = PreAnnotator.regions

    def draw(own: PreAnnotator, data: bytes, name: str) -> Any:
        if name == f"task {order[0]}":
            assert others.wait(PATIENCE)
        drawn.append(name)
        if len(drawn) == predict_masks.AT_LEAST:
            others.set()
        return real(own, data, name)

    monkeypatch.setattr(PreAnnotator, "regions", draw)
    progress = Progress(context.redis, lab.project, "job", "live")
    found = predict_masks.draw(context, "v1", context.setup().config, order, progress, seconds=0.0)
    assert found is not None
    assert sorted(drawn) == sorted(f"task {task}" for task in found)
    assert order[0] in found
    assert predict_masks.AT_LEAST < len(found) < len(order)
