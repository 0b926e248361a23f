"""Users of Label Studio who press the ordinary buttons."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from backend.demo.server import Account
from backend.queue import connection as connections
from backend.queue.lease import Fence
from tests.accounts import create_user
from tests.cells import CellProject
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.stack import Stack


@contextmanager
def no_training(project: int) -> Iterator[None]:
    """No training of the project begins:
    the labels submitted meanwhile are trained on together, however slow the machine is."""
    fence = Fence(connections.connection(), connections.Keys(project).fence("training"))
    assert fence.take(wait=PATIENCE)
    with fence:
        yield


@dataclass
class Annotator:
    """A user of Label Studio who presses the ordinary button and submits."""

    stack: Stack
    account: Account
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Token {self.account.token}"}
        self.http = httpx.Client(base_url=self.stack.server.url, headers=headers, timeout=60)

    def next(self, project: int) -> dict[str, Any] | None:
        """What "Label All Tasks" serves."""
        answer = self.http.post(f"/api/dm/actions?id=next_task&project={project}", json={"project": project})
        return None if answer.status_code == 404 else dict(answer.raise_for_status().json())

    def submit(self, task: int, regions: Sequence[Mapping[str, Any]]) -> None:
        """Submit an annotation; Label Studio tells the service before it answers."""
        self.http.post(
            f"/api/tasks/{task}/annotations/", json={"result": regions, "lead_time": 1}
        ).raise_for_status()

    def skip(self, task: int, regions: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Press Skip, with what the page shows: the regions that the model drew say so by their origin."""
        self.http.post(
            f"/api/tasks/{task}/annotations/", json={"result": regions or [], "was_cancelled": True}
        ).raise_for_status()

    def label(self, project: CellProject, count: int) -> None:
        """Submit the true masks of the next tasks, which are trained on together."""
        with no_training(project.id):
            for _ in range(count):
                task = self.next(project.id)
                assert task is not None
                self.submit(task["id"], project.regions(task["id"]))


@pytest.fixture
def annotators(stack: Stack) -> list[Annotator]:
    """Two annotators of the organization."""
    stamp = time.time_ns()
    return [
        Annotator(stack, create_user(stack.server, f"annotator-{stamp}-{number}@example.com"))
        for number in range(2)
    ]
