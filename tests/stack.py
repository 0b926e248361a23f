"""Everything that `python -m backend up` starts, against the real Label Studio, and projects of real
images."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis
from rq import Worker

from backend.demo.server import LabelStudioServer
from backend.jobs import due_work
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect import Severity
from backend.labelstudio.order import priorities
from backend.project.connection import configure, instance_here, own_service
from backend.queue import connection as connections
from backend.queue import pending_work, project_jobs
from backend.queue.enqueue import enqueue_sync
from backend.queue.follow import follow
from backend.queue.pending_work import Work
from backend.run import service
from backend.run.processes import alive, free_port
from backend.run.supervisor import Supervisor
from backend.settings import Settings, get_settings, read_settings
from tests.cells import CellProject
from tests.states import read_status
from tests.waiting import PATIENCE, eventually

RECIPE = {"width": 8, "depth": 2, "max_side": 64, "crop": 32, "batch": 2, "steps": 25, "row_steps": 8}
"""A training takes half a second. Good enough to draw masks that mark something; every version is published,
as none is held against the one before (folds: 0)."""


@dataclass
class Stack:
    """Label Studio and the service, and what tests do with them."""

    server: LabelStudioServer
    service: service.Service
    supervisor: Supervisor
    logs: Path
    settings: Settings = field(init=False)
    client: LabelStudio = field(init=False)
    web: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.settings = self.service.settings
        self.client = LabelStudio(self.server.url, self.server.token)
        self.web = httpx.Client(base_url=self.settings.own_url, auth=self.settings.basic_auth, timeout=60)

    def wait(self, condition: Callable[[], Any], what: str, *, seconds: float = PATIENCE) -> Any:
        """Wait until something holds, keeping the programs running; returns what the condition did."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.supervisor.look()
            found = condition()
            if found:
                return found
            time.sleep(0.25)
        logs = "\n".join(
            f"--- {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self.logs.glob("*.log"))
        )
        pytest.fail(f"waited {seconds:.0f} s for {what}\n{logs}")

    def kill(self, name: str) -> None:
        """Kill one of the service's programs with all of its processes, as when memory runs out;
        the next `wait` starts it again."""
        running = self.supervisor.running(name)
        pids = running.pids()
        assert running.program_pid is not None
        os.kill(running.program_pid, signal.SIGKILL)
        assert eventually(lambda: not any(alive(pid) for pid in pids))

    def kill_worker(self, queue: str = connections.COMPUTE) -> None:
        """Kill the workers of a queue, that for trainings and rounds, as when memory runs out:
        their jobs end with them, and others take their places."""
        for pid in workers_on(queue, connections.connection()):
            horses = [int(horse) for horse in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
            os.kill(pid, signal.SIGKILL)
            assert eventually(lambda: not any(alive(each) for each in [pid, *horses]))  # noqa: B023

    def presume_dead(self, queue: str = connections.COMPUTE) -> None:
        """Let those who have jobs of a queue, that for trainings and rounds, in hand be silent for too long,
        as they are some time after a kill."""
        redis = connections.connection()
        rq_queue = connections.named(queue, redis)
        registry, taken = rq_queue.started_job_registry.key, rq_queue.intermediate_queue
        executions: list[Any] = redis.zrange(registry, 0, -1)
        for execution in executions:
            redis.zadd(registry, {execution: time.time() - 1})
        for job in taken.get_job_ids():  # and not begun
            redis.set(taken.get_first_seen_key(job), time.time() - 3600)
        due_work.tick()

    def sync(self, project: CellProject) -> dict[str, Any]:
        """The status after a sync of the project that has begun since, as each minute brings one;
        the first of two may be one that ran already."""
        for _ in range(2):
            assert list(follow(project.id, enqueue_sync(project.id)))[-1]["state"] == "finished"
        return read_status(project.id)

    def configure(self, project: CellProject, **extra: Any) -> None:
        """Other extra params of the project's connection.

        Label Studio loses them if it lists the connections meanwhile, which jobs that configure have it do.
        """
        redis = connections.connection()
        self.wait(
            lambda: (
                not pending_work.pending(redis, project.id, Work.CONFIGURE).outstanding
                and not project_jobs.runs(redis, project.id, Work.CONFIGURE)
            ),
            "no job that configures",
        )
        (backend,) = self.client.ml_backends(project.id)
        user, password = self.settings.basic_auth or ("", "")
        fields = {
            "project": project.id,
            "url": backend["url"],
            "auth_method": "BASIC_AUTH",
            "basic_auth_user": user,
        }
        self.http.patch(
            f"/api/ml/{backend['id']}", json={**fields, "basic_auth_pass": password, "extra_params": extra}
        ).raise_for_status()

    @cached_property
    def http(self) -> httpx.Client:
        """Label Studio, as its administrator."""
        return httpx.Client(
            base_url=self.server.url, headers={"Authorization": f"Token {self.server.token}"}, timeout=60
        )

    def wait_for_round(
        self, project: int, *, other_than: str = "", cold: bool = False, seconds: float = PATIENCE
    ) -> dict[str, Any]:
        """Wait for a round that is in force, and return the status then."""

        def written() -> dict[str, Any] | None:
            state = read_status(project)
            name = state["round"]["name"] if state["round"] else ""
            return state if name and name != other_than and state["round"]["cold_start"] == cold else None

        found: dict[str, Any] = self.wait(
            written, f"a round other than {other_than!r} of project {project}", seconds=seconds
        )
        return found

    def wait_for_order(self, project: CellProject, ask: Callable[[], Any]) -> None:
        """Ask for an order, and wait until another one than before is written and all that belongs to it is
        done."""
        before = read_status(project.id)["round"]["name"]
        ask()
        self.wait(lambda: read_status(project.id)["round"]["name"] != before, f"another order than {before}")


def workers_on(queue: str, redis: Redis) -> list[int]:
    """The process ids of the workers on a queue that are known to be alive."""
    pids = [worker.pid for worker in Worker.all(redis) if queue in worker.queue_names()]
    return [pid for pid in pids if pid is not None and alive(pid)]


def connect(stack: Stack, project: CellProject) -> None:
    """What `python -m backend connect` does."""
    own = own_service(stack.settings, instance_here(stack.settings))
    findings = configure(stack.settings, stack.client, project.id, own)
    assert not [finding for finding in findings if finding.severity is Severity.ERROR]


def order(stack: Stack, project: CellProject) -> list[int]:
    """The tasks of a project in the order that is in force."""
    return [place.task_id for place in priorities.order(stack.client, project.id)]


def quiet(stack: Stack, project: CellProject) -> None:
    """Wait until nothing runs or waits, and nothing is wanted."""

    def idle() -> bool:
        state = read_status(project.id)
        wanted = any(
            pending_work.pending(connections.connection(), project.id, work).outstanding
            for work in (Work.TRAINING, Work.ROUND)
        )
        return not state["running"] and not state["waiting"] and not wanted

    stack.wait(idle, "quiet")


def recompute(stack: Stack, project: CellProject) -> None:
    """Have a new order written, by the button on the status page."""
    stack.wait_for_order(
        project, lambda: stack.web.post(f"/projects/{project.id}/recompute").raise_for_status()
    )


@pytest.fixture(scope="session")
def stack(label_studio: LabelStudioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Web, control worker, one compute worker, scheduler and Redis, quick to react."""
    with running_stack(label_studio, tmp_path_factory.mktemp("service")) as everything:
        yield everything


@contextmanager
def running_stack(
    label_studio: LabelStudioServer, folder: Path, *, threads: int | None = 1
) -> Iterator[Stack]:
    """The service against a Label Studio, with all it keeps in a folder;
    its settings are also this process's meanwhile."""
    before = dict(os.environ)
    for name in Settings.model_fields:  # another stack may run
        os.environ.pop(name.upper(), None)
    settings = read_settings(
        label_studio_url=label_studio.url,
        label_studio_api_key=label_studio.token,
        model_dir=folder / "models",
        port=free_port(),
        basic_auth_user="backend",
        basic_auth_pass="a password",
        quiet_seconds=1,
        gather_seconds=1,
        recipe=RECIPE,
        threads=threads,
        project_defaults={
            "live": False,
            "strategy": "task_dependent",
            "candidates": 3,
            "budget": 2,
            "folds": 0,
        },
        nightly="off",
    )
    try:
        with Supervisor() as supervisor:
            everything = service.Service(settings, logs=folder / "logs", any_port=True)
            everything.start(supervisor)
            # What this process asks (status, follow) comes from the same settings.
            _put_in_force(service.environment(everything.settings))
            running = Stack(label_studio, everything, supervisor, folder / "logs")
            with running.web:  # or the web server would wait at its end for this client
                yield running
    finally:
        os.environ.clear()
        _put_in_force(before)


def _put_in_force(environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    get_settings.cache_clear()
    connections.forget_connections()
