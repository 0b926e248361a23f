"""The features that live turns compare: computed by and by, and once for each image."""

from __future__ import annotations

import dataclasses
import resource
from collections.abc import Callable
from typing import Any

import pytest

from backend.jobs import due_work, entry_points
from backend.jobs.round import features
from backend.labelstudio.client import LabelStudio
from backend.project.context import open_context
from backend.project.task_data import TaskImages
from backend.queue import pending_work
from backend.queue.pending_work import Work
from backend.settings import get_settings
from model.data.images.reading import decode_image
from model.pixels import draw_sample
from tests.service.conftest import use_settings
from tests.service.live.conftest import IMAGES, Lab, all_features, settings_of
from tests.states import read_status


def test_features_of_many_images_come_by_and_by(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until all are there, a label renews the masks alone; the order follows without another label, by the
    project's strategy."""
    monkeypatch.setenv("PROJECT_DEFAULTS", '{"live": true, "budget": 2, "folds": 2, "strategy": "coverage"}')
    get_settings.cache_clear()
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    redis, keys = lab.context.redis, lab.context.keys
    monkeypatch.setattr(features, "FEW", 0)
    monkeypatch.setattr(features, "SECONDS_A_SYNC", 0.0)
    for key in redis.scan_iter(keys.features("*")):
        redis.delete(key)
    before, task = lab.record, lab.label()
    lab.turn()
    assert (lab.record.version, lab.record.order_of) == ("v1", before.round)
    assert lab.served() == [each for each in before.order if each != task]
    for _ in range(2 * IMAGES):
        if all_features(lab):
            break
        assert pending_work.pending(redis, lab.project, Work.SYNC).outstanding
        entry_points.look(lab.project)
    assert all_features(lab)
    assert pending_work.pending(redis, lab.project, Work.LIVE).outstanding
    assert lab.turn()["round"] == lab.record.round
    assert (lab.record.strategy, lab.record.cold_start) == ("coverage", False)
    assert read_status(lab.project)["round"]["measure"] == "mean"


def test_a_turn_reads_no_image_whose_features_are_there(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for its label and the masks of the next ones; nor does another machine with the same storage, which
    computes no features again. Those of the time before there was a shared storage are given to it."""
    settings = {"storage_url": f"file://{lab.context.settings.model_dir}-shared"}
    defaults = {"live": True, "strategy": "herding", "budget": 2, "folds": 2}
    use_settings(monkeypatch, **settings_of(lab), **settings, project_defaults=defaults)
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    for name in ("current-round.json", "rounds"):
        lab.context.storage.put(f"{lab.context.folder}/{name}")
    entry_points.look(lab.project)
    decoded: list[str] = []
    computed: list[object] = []

    def decode(content: bytes, name: str, **keywords: Any) -> Any:
        decoded.append(name)
        return decode_image(content, name, **keywords)

    def draw(*arguments: Any, **keywords: Any) -> Any:
        computed.append(arguments)
        return draw_sample(*arguments, **keywords)

    monkeypatch.setattr("backend.project.task_data.decode_image", decode)
    monkeypatch.setattr("model.pixels.feature_store.draw_sample", draw)
    lab.label()
    lab.turn()
    assert (lab.record.strategy, lab.record.learnt) == ("herding", "v1")
    assert set(lab.record.unreadable) == {str(max(lab.numbers))}
    assert not decoded

    elsewhere = {"model_dir": lab.context.settings.model_dir.with_name("other-machine")}
    use_settings(monkeypatch, **{**settings_of(lab), **elsewhere}, **settings, project_defaults=defaults)
    lab = dataclasses.replace(lab, context=open_context(lab.project))
    lab.label()
    lab.turn()
    assert (lab.record.learnt, lab.record.cold_start) == ("v2", False)
    assert lab.served() == lab.record.order
    assert not computed
    assert not decoded


def test_an_image_replaced_by_one_of_another_size_is_found_by_the_next_round(lab: Lab) -> None:
    """A live turn asks for its features by its size."""
    lab.label()
    lab.turn()
    context = lab.context
    setup, redis = context.setup(), context.redis
    images = TaskImages(context, setup.config, context.list_tasks().all.values(), setup.recipe.max_side)
    sizes = features.find_sizes(context, setup, images)
    task = next(identity for identity in sizes if int(identity) in lab.served())
    for key in redis.scan_iter(context.keys.features("*")):
        redis.hset(key, task, f"{images.digests[task]} 7 7")
    assert features.find_sizes(context, setup, images)[task] == (7, 7)
    other = dict(context.list_tasks().all)
    other[int(task)] = {"id": int(task), "data": {**other[int(task)]["data"], "note": "another"}}
    changed = TaskImages(context, setup.config, other.values(), setup.recipe.max_side)
    assert features.find_missing(context, setup, images) == []
    assert features.find_missing(context, setup, changed) == [task], "its data has changed"
    training = pending_work.standing(redis, lab.project, Work.TRAINING)
    pending_work.finish(redis, lab.project, Work.TRAINING, training)
    assert due_work.describe_changes(lab.project), "no round comes at night, which would see it"
    entry_points.start_round(lab.project, "test")
    assert features.find_sizes(context, setup, images) == sizes


def test_an_image_that_is_too_large_is_named_and_fetched_once(
    lab: Lab, image_url: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no memory; also where it is labelled, the others are learnt and ordered."""
    context, numbers = lab.context, {0: image_url(20_000), 1: image_url(20_000)}
    tasks = [{"data": {"image": url, "number": number}} for number, url in numbers.items()]
    lab.http.post(f"/api/projects/{lab.project}/import", json=tasks).raise_for_status()
    open_one, labelled = sorted(set(context.client.task_ids(lab.project)) - lab.numbers.keys())
    body = {"result": [], "lead_time": 1}
    lab.http.post(f"/api/tasks/{labelled}/annotations/", json=body).raise_for_status()
    lab.label()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lab.turn()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used < 400_000, "kB: 20,000 x 20,000 bytes"
    assert lab.record.learnt == "v1"
    assert lab.served() == lab.record.order
    assert "20000 x 20000 pixels" in lab.record.unreadable[str(open_one)]
    assert f"task {labelled}" in " ".join(read_status(lab.project)["warnings"])

    asked: list[Any] = []
    download = LabelStudio.download

    def ask(client: LabelStudio, path: str) -> bytes:
        asked.append(path)
        return download(client, path)

    monkeypatch.setattr(LabelStudio, "download", ask)
    task = lab.label()
    lab.turn()
    assert lab.record.learnt == "v2"
    assert str(open_one) in lab.record.unreadable
    assert asked in ([], [image_url(lab.numbers[task])])
