"""What a person asked for is done, and stays, whatever runs beside it, is killed, or starts by itself.
In a real Redis."""

from __future__ import annotations

import threading
import time
from unittest import mock

import pytest
from redis import Redis

from backend.errors import CancelledError
from backend.jobs import due_work, entry_points, job, promotion
from backend.jobs.masks import added_masks, refit
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.order import priorities
from backend.labelstudio.order.unmasked import Unmasked
from backend.labelstudio.task_list import Listed, TaskList
from backend.project.context import Context, Setup, open_context
from backend.queue import enqueue, pending_work, project_jobs
from backend.queue.connection import Keys
from backend.queue.lease import Fence
from backend.queue.progress import Progress
from backend.settings import Settings
from backend.stopping import stopped_by
from backend.store.round_record import RoundRecord, put_in_force
from backend.store.shown_masks import DrawnMasks
from backend.store.version_history import ROLLBACK, TRAINING, Use
from backend.store.version_record import VersionRecord
from tests.service.conftest import publish_version
from tests.waiting import PATIENCE

TASKS = {str(number): "digest" for number in range(10)}


def kept_versions(context: Context, **dice: float) -> list[VersionRecord]:
    """Records of versions with so much held-out dice, all of the same labels but the last's."""
    records = [
        VersionRecord(
            name,
            f"job-{name}",
            "2026-01-01T00:00:00+00:00",
            ("Axon",),
            TASKS,
            seed,
            {},
            folds=dict.fromkeys(TASKS, 0),
            held_out=dict.fromkeys(TASKS, value),
            held_out_dice=value,
            present={task: [0, 1] for task in TASKS},
        )
        for seed, (name, value) in enumerate(dice.items())
    ]
    for record in records:
        context.storage.write_json(
            f"projects/1/versions/{record.name}/model.json", {"record": record.to_dict()}
        )
    return records


def test_the_end_of_a_round_stops_when_another_one_begins_while_it_waits(
    redis: Redis, settings: Settings
) -> None:
    """It waits for a live turn as long as that takes, as all networks are trained, but not for nothing."""
    del settings
    context = open_context(1)
    redis.set(context.keys.wanted_round, "v1.r7")
    done: list[object] = []
    with Fence(redis, context.keys.fence("round")) as live:
        assert live.take()
        ends = threading.Thread(target=lambda: done.append(entry_points.finish_round(1, "v1.r7")))
        ends.start()
        redis.set(context.keys.wanted_round, "v1.r8")
        ends.join(PATIENCE)
    assert done
    assert "superseded" in str(done[0])


@pytest.mark.parametrize(
    ("left", "skipped", "starts"),
    [
        (range(2, 31), set(), False),
        (range(11, 31), set(), True),
        (range(10, 31), {10}, True),
        (range(9, 31), {10}, False),
    ],
)
def test_at_night_an_order_that_was_asked_for_holds_until_its_batch_is_done(
    redis: Redis,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    left: range,
    skipped: set[int],
    starts: bool,
) -> None:
    """Each image of the batch, 1 to 10, is labelled or skipped by everyone."""
    del settings
    context = open_context(1)
    pending_work.register(redis, 1)
    kept_versions(context, v2=0.8)
    context.versions.uses.add(Use("v2", "2026-01-02T00:00:00+00:00", TRAINING))
    order = list(range(1, 31))
    record = RoundRecord(
        "v2.r9", "2026-01-03T00:01:00+00:00", "v2", order, order[:10], budget=10, requested=True
    )
    record.save(context.storage, 1)
    put_in_force(context.storage, 1, "v2.r9")
    client = type(context.client)
    monkeypatch.setattr(client, "task_ids", lambda *_: list(left))
    monkeypatch.setattr(client, "project", lambda *_: None)
    monkeypatch.setattr("backend.labelstudio.skips.read_skips", lambda *_: mock.Mock(done=skipped))
    due_work.nightly()
    assert bool(project_jobs.waiting(redis, 1)) == starts


def test_a_training_that_is_asked_for_trains_though_one_for_new_labels_waits(
    redis: Redis, settings: Settings
) -> None:
    """Joined, it does not end because no label is new."""
    del settings
    waiting = enqueue.enqueue_training(1, reason="new labels", only_new=True)
    assert not enqueue.is_asked_for(redis, 1, waiting)
    assert enqueue.enqueue_training(1, reason="asked for on the status page") == waiting
    assert enqueue.is_asked_for(redis, 1, waiting)
    assert not enqueue.is_asked_for(redis, 1, "another")


def test_a_rollback_that_was_killed_is_done_although_a_newer_round_came(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had not put the version in use yet."""
    del settings
    context = open_context(1)
    for name in ("v1", "v2"):
        publish_version(context.storage.folder, 1, name, steps=2)
    intent = {"job": "rollback-1-x", "before": "v2", "time": "2026-01-03T00:00:00+00:00", "version": "v1"}
    context.storage.write_json("projects/1/rounds/v1.r8/rollback.json", {**intent, "reason": "", "who": ""})
    RoundRecord("v2.r9", "2026-01-03T00:01:00+00:00", "v2", [], []).save(context.storage, 1)
    put_in_force(context.storage, 1, "v2.r9")
    assert context.versions.current() == "v2"
    monkeypatch.setattr(job, "get_current_job", lambda: mock.Mock(id="rollback-1-x", retries_left=1))
    monkeypatch.setattr("backend.jobs.rollback.read_places", lambda *_: [])
    told = entry_points.roll_back(1, "v1", "asked for", "me")
    assert context.versions.current() == "v1", told
    assert (told["version"], told["before"]) == ("v1", "v2")
    # What another person puts in use after that stays.
    context.versions.make_current("v2", by=ROLLBACK, reason="asked for", who="another")
    assert "v2 was put in use after v1" in entry_points.roll_back(1, "v1", "asked for", "me")["reason"]
    assert (context.versions.current(), redis.exists(Keys(1).fence("version"))) == ("v2", 0)


def test_a_training_that_is_repeated_does_not_undo_a_rollback(redis: Redis, settings: Settings) -> None:
    """Its worker was killed between saving the version and putting it in use."""
    del redis, settings
    context = open_context(1)
    *_, done = kept_versions(context, v1=0.80, v2=0.78, v3=0.76)
    context.versions.uses.add(Use("v2", "2026-01-02T00:00:00+00:00", TRAINING))
    context.versions.uses.add(Use("v1", "2026-01-03T00:00:00+00:00", ROLLBACK, "me", "asked for", "v2"))
    promotion.put_in_use(context, done, check=lambda: None)
    assert context.versions.current() == "v1"


def test_what_is_cancelled_ends_while_masks_are_fitted_to_other_labels(
    redis: Redis, settings: Settings
) -> None:
    """Live turns and rollbacks wait for it."""
    del settings
    context, asked = open_context(1), []

    class Slow:
        """A Label Studio that holds 400 masks."""

        def pages(self, *_: object) -> list[dict[str, int]]:
            return [{"id": number} for number in range(400)]

        def task_regions(self, task: int, *_: object) -> dict[int, object]:
            asked.append(task)
            time.sleep(0.1)
            return {task: [{"type": "brushlabels", "value": {"brushlabels": ["A label that is gone"]}}]}

        def update_prediction(self, *_: object, **__: object) -> bool:
            return True

    def cancelled() -> None:
        if len(asked) > 8:
            raise CancelledError("a live turn needs the fence")

    progress = Progress(redis, 1, "job", "look", checks=(cancelled,))
    record = RoundRecord("v1.r2", "", "v1", [1], [1], drawn_for="other labels")
    with mock.patch.object(context, "client", Slow()), stopped_by(cancelled), pytest.raises(CancelledError):
        refit.refit_masks(context, parse(EXAMPLE), record, progress)
    assert len(asked) < 50
    # What Label Studio shows by then is what labels are compared with.
    masks = DrawnMasks(context.storage, context.folder)
    kept = [drawn for task in asked if (drawn := masks.find("v1.r2", task)) is not None]
    assert len(kept) >= 8
    assert all(drawn.regions == [] for drawn in kept)


def test_masks_are_drawn_once_a_version_can_be_read_again(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network drive that answers late, or a file that is brought back from a backup."""
    context, tasks = open_context(1), [1, 2, 3]
    publish_version(settings.model_dir, 1)
    model = context.storage.path("projects/1/versions/v1/model.json")
    monkeypatch.setattr(
        priorities, "unmasked", lambda *_, drawn=(): [task for task in tasks if task not in drawn]
    )
    monkeypatch.setattr(priorities, "top_up", lambda *_: 0)
    listed = TaskList("", 0, "", tasks={task: Listed(True, False, {"image": ""}) for task in tasks})
    monkeypatch.setattr(Context, "list_tasks", lambda *_, **__: listed)
    setup = mock.Mock(spec=Setup, config=parse(EXAMPLE), unmasked=Unmasked(1, 0.0))
    record = RoundRecord("v1.r2", "2026-01-01T00:00:00+00:00", "v1", tasks, [1])
    progress = Progress(redis, 1, "job", "look")
    away = model.rename(model.with_name("away"))
    assert added_masks.add_masks(context, setup, record, progress) == 3
    away.rename(model)
    assert added_masks.add_masks(context, setup, record, progress) == 3
    assert added_masks.add_masks(context, setup, record, progress) == 0  # these have no image: told, and done
