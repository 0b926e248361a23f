"""Two machines that share only Redis and a bucket of an S3-compatible storage, in a real Label Studio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Worker

from backend.queue.enqueue import enqueue_round, enqueue_training
from backend.queue.follow import JobState, follow
from backend.run import service
from backend.run.processes import Program, free_port
from backend.run.redis_server import EmbeddedRedis
from backend.run.supervisor import Supervisor
from backend.settings import Settings, get_settings
from backend.store.storage import Storage
from tests.annotator import Annotator
from tests.cells import CellProject
from tests.object_store import BUCKET, ObjectStore
from tests.stack import RECIPE, Stack, order
from tests.states import read_status
from tests.waiting import PATIENCE

pytestmark = pytest.mark.timeout(600)


def test_two_machines_that_share_only_redis_and_a_bucket(
    stack: Stack,
    make_project: Callable[..., CellProject],
    annotators: list[Annotator],
    object_store: ObjectStore,
    tmp_path: Path,
) -> None:
    """A training that finds the storage away says so and is not lost;
    then both do rows of a round, and either writes the order."""
    project = make_project(9)
    for _ in range(3):
        task = annotators[0].next(project.id)
        assert task is not None
        annotators[0].submit(task["id"], project.regions(task["id"]))
    redis = EmbeddedRedis(tmp_path / "redis", port=free_port())
    shared = {
        "redis_url": redis.address,
        "storage_url": f"s3://{BUCKET}/lab",
        "project_defaults": {"live": False, "strategy": "task_dependent", "candidates": 6, "folds": 0},
        "recipe": {**RECIPE, "steps": 120, "row_steps": 30},
    }
    one, two = (
        stack.settings.model_copy(update={**shared, "model_dir": tmp_path / name}) for name in ("one", "two")
    )
    with on(one, object_store), Supervisor() as supervisor, Redis.from_url(redis.address) as client:
        supervisor.add(redis.program, ready=redis.healthy, timeout=PATIENCE, foundation=True)
        supervisor.add(worker(one, tmp_path), ready=lambda: Worker.count(client) == 1, timeout=PATIENCE)
        looks: list[JobState] = []
        with ExitStack() as outage:
            for look in follow(project.id, enqueue_training(project.id), seconds=0.1):
                if look["step"] == "Training" and "Training" not in [earlier["step"] for earlier in looks]:
                    outage.enter_context(object_store.away())
                looks.append(look)
        assert looks[-1]["state"] == "failed", looks[-1]
        assert f"Shared storage s3://{BUCKET}/lab" in looks[-1]["message"]
        assert "STORAGE_URL" in looks[-1]["message"]
        again = list(follow(project.id, enqueue_training(project.id), seconds=0.1))
        assert again[-1]["state"] == "finished", again[-1]
        assert not [look for look in again if look["step"] == "Training"], "it was trained already"

        supervisor.add(worker(two, tmp_path), ready=lambda: Worker.count(client) == 2, timeout=PATIENCE)
        looks = list(follow(project.id, enqueue_round(project.id, "test")))
        state = read_status(project.id)
        rows = [
            row
            for row in Storage.of(one).files(f"projects/{project.id}/rounds")
            if "/rows/" in row and row.endswith(".json")
        ]
        done = [set(machine.model_dir.glob("projects/*/rounds/*/rows/*.json")) for machine in (one, two)]
    assert looks[-1]["state"] == "finished", looks[-1]
    assert max(look["rows_total"] for look in looks) == len(rows) == 6
    assert all(done)
    assert state["version"]["name"] == "v1"
    assert order(stack, project) == [task["task"] for task in state["next_tasks"]]
    assert len(state["next_tasks"]) == 6


@contextmanager
def on(machine: Settings, object_store: ObjectStore) -> Iterator[None]:
    """This process asks as one on that machine would; afterwards all is as before, whatever failed."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            object_store.use(patch)
            for name, value in service.environment(machine).items():
                patch.setenv(name, value)
            get_settings.cache_clear()
            yield
    finally:
        get_settings.cache_clear()


def worker(machine: Settings, logs: Path) -> Program:
    """A worker of one machine."""
    command: list[Any] = service.python("backend.run.worker", "compute")
    return Program(
        "worker",
        command,
        environment=service.environment(machine),
        log=logs / f"{machine.model_dir.name}.log",
        grace=4,
    )
