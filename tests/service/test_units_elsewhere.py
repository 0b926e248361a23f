"""What one machine has trained of a round, another one finds in the storage that they share."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from redis import Redis

from backend.jobs import entry_points, job
from backend.jobs.round import start
from backend.jobs.round.folder import LABELS, RoundFolder, Snapshot
from backend.labelstudio.http.answers import Task
from backend.labelstudio.labels.config import EXAMPLE
from backend.project.context import Context, open_context
from backend.project.task_data import save_masks
from backend.queue.progress import Progress, running
from backend.run.redis_server import EmbeddedRedis
from backend.settings import Settings
from model.data.masks.class_ids import resize_mask
from tests.object_store import BUCKET, ObjectStore
from tests.service.conftest import TINY, picture, publish_version, use_settings
from tests.states import read_status
from tests.web_server import Answer, web_server

PROJECT = 7
LABELLED = ("1", "2", "3")


class Watched(Progress):
    """A progress that remembers its steps."""

    def __init__(self, redis: Redis, job: str) -> None:
        super().__init__(redis, PROJECT, job, "row")
        self.steps: set[str] = set()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Remember a step."""
        self.steps.add(step)
        super().__call__(step, done, total)


@pytest.mark.parametrize("strategy", ["task_dependent", "trusted", "ensemble"])
def test_a_unit_that_is_done_on_one_machine_is_not_trained_on_another(
    strategy: str, settings: Settings, redis: Redis, tmp_path: Path
) -> None:
    """Two machines share Redis and a storage, and nothing else; the second one does all jobs again."""
    one, two = (machine(settings, tmp_path, name) for name in ("one", "two"))
    publish_version(one.settings.model_dir, PROJECT)
    one.storage.put(f"projects/{PROJECT}")
    folder = a_round(one, strategy)
    first = Watched(redis, "first")
    _, units = start.prepare_units(folder, folder.snapshot(), first)
    assert units
    for unit in units:
        start.run_unit(one, first, folder.name, unit)
    assert any(step.startswith("Training") for step in first.steps)

    again = Watched(redis, "again")
    for unit in units:
        start.run_unit(two, again, folder.name, unit)
    assert again.steps == set(), "trained, or drew pseudo-labels, once more"
    assert redis.scard(two.keys.rows(folder.name)) == len(units)


def test_a_unit_whose_file_is_damaged_is_trained_again(
    settings: Settings, redis: Redis, tmp_path: Path
) -> None:
    """What another machine left half-written, or of another round, is not taken for done."""
    one, two = (machine(settings, tmp_path, name) for name in ("one", "two"))
    publish_version(one.settings.model_dir, PROJECT)
    one.storage.put(f"projects/{PROJECT}")
    folder = a_round(one, "task_dependent")
    unit = start.prepare_units(folder, folder.snapshot(), Watched(redis, "first"))[1][0]
    start.run_unit(one, Watched(redis, "first"), folder.name, unit)
    (row,) = (tmp_path / "shared").glob("projects/*/rounds/*/rows/*.json")
    row.write_text("{")
    again = Watched(redis, "again")
    start.run_unit(two, again, folder.name, unit)
    assert any(step.startswith("Training") for step in again.steps)


def test_a_unit_waits_for_a_storage_that_is_away(
    redis: Redis,
    redis_server: EmbeddedRedis,
    object_store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When it goes while a network is trained, and comes back: the job has not failed, and trains it once."""
    monkeypatch.setattr(job, "FIRST_PAUSE", 0.1)
    object_store.use(monkeypatch)
    one, two = (
        use_settings(
            monkeypatch,
            redis_url=redis_server.address,
            model_dir=tmp_path / name,
            storage_url=f"s3://{BUCKET}/{tmp_path.name}",
        )
        for name in ("one", "two")
    )
    publish_version(one.model_dir, PROJECT)
    first = open_context(PROJECT, one)
    first.storage.put(f"projects/{PROJECT}")
    outage = ExitStack()
    trained: list[int] = []
    images = {f"/{number}.png": picture(number)[0] for number in range(1, 9)}

    def answer(path: str) -> Answer:
        if goes_away:
            outage.enter_context(object_store.away())
            goes_away.clear()
        return 200, {}, images[path]

    def come_back() -> None:
        while not any("shared storage" in entry["step"] for entry in running(redis, PROJECT)):
            time.sleep(0.05)
        trained.extend(path.stat().st_mtime_ns for path in rows())
        outage.close()

    def rows() -> list[Path]:
        return list(two.model_dir.glob(f"{folder.folder}/rows/*.json"))

    goes_away: list[bool] = []
    with web_server(answer) as port:
        folder = a_round(first, "task_dependent", f"http://127.0.0.1:{port}/{{}}.png".format)
        unit = start.prepare_units(folder, folder.snapshot(), Watched(redis, "first"))[1][0]
        goes_away.append(True)
        with outage:
            back = threading.Thread(target=come_back, daemon=True)
            back.start()
            assert entry_points.run_unit(PROJECT, folder.name, unit) == {"round": folder.name, "unit": unit}
    back.join(10)
    assert [path.stat().st_mtime_ns for path in rows()] == trained != []
    assert first.storage.names(f"{folder.folder}/rows") == [path.name for path in rows()]
    assert not any("waits for" in warning for warning in read_status(PROJECT)["warnings"])


def machine(settings: Settings, folder: Path, name: str) -> Context:
    """A machine with a MODEL_DIR of its own and the shared storage."""
    own = settings.model_copy(
        update={"model_dir": folder / name, "storage_url": f"file://{folder / 'shared'}"}
    )
    return open_context(PROJECT, own)


def in_the_data(number: int) -> str:
    """An image that is written into its task."""
    return "data:image/png;base64," + base64.b64encode(picture(number)[0]).decode()


def a_round(context: Context, strategy: str, address: Callable[[int], str] = in_the_data) -> RoundFolder:
    """A round over eight images, three of them labelled, whose snapshot is taken."""
    tasks: list[Task] = [{"id": number, "data": {"image": address(number)}} for number in range(1, 9)]
    folder = RoundFolder(context, "v1.r1")
    masks = {identity: np.asarray(picture(int(identity))[1]) for identity in LABELLED}
    beside = folder.path / f".{LABELS}"
    save_masks(beside, {identity: resize_mask(mask, (53, 64)) for identity, mask in masks.items()})
    context.storage.move_in(beside, f"{folder.folder}/{LABELS}")
    folder.save(
        Snapshot(
            round=folder.name,
            job="job",
            created="",
            reason="test",
            version="v1",
            strategy=strategy,
            options={"candidates": 2} if strategy != "ensemble" else {},
            budget=2,
            seed=0,
            recipe=TINY,
            label_config=EXAMPLE,
            tasks=tasks,
            labelled=list(LABELLED),
            further=[],
            unreadable={},
            begun={},
        )
    )
    return folder
