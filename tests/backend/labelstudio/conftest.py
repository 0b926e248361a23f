"""A client of the real Label Studio, projects in it, annotators who submit, and a backend that answers the
connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from backend.demo.server import LabelStudioServer
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect.own_service import INSTANCE_HEADER, OwnService
from backend.labelstudio.labels.config import EXAMPLE
from tests.accounts import create_personal_token, create_user

MakeProject = Callable[..., "Made"]
PERSONAL = "personal@labelstudio-room.org"
AUTH = ("lab", "open sesame")
"""User and password of the stub backend."""


@dataclass(frozen=True)
class Made:
    """A project and its tasks, in the order of ids."""

    id: int
    tasks: list[int]


class Annotator:
    """A user who presses "Label All Tasks", submits and skips, as the page does."""

    def __init__(self, url: str, token: str) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=30)
        self.client = LabelStudio(url, token)

    def next(self, project: int) -> int | None:
        task = self.client.next_task(project)
        return None if task is None else int(task["id"])

    def submit(self, task: int, result: Sequence[Mapping[str, Any]] | None = None, **fields: Any) -> int:
        answer = self.http.post(f"/api/tasks/{task}/annotations/", json={"result": result or [], **fields})
        return int(answer.raise_for_status().json()["id"])

    def skip(self, task: int) -> None:
        self.http.post(
            f"/api/tasks/{task}/annotations/", json={"result": [], "was_cancelled": True}
        ).raise_for_status()


@dataclass
class StubBackend:
    """Answers what Label Studio asks when a backend is connected, and keeps what it was told."""

    url: str = ""
    status: int = 200
    instance: str = ""  # what its /health tells of the service it belongs to
    refused: str = ""  # why it refuses what /setup asks
    calls: list[tuple[str, str | None, dict[str, Any]]] = field(
        default_factory=list
    )  # path, Authorization, body

    @property
    def own(self) -> OwnService:
        """It as the service that a project is connected to."""
        return OwnService(self.url, AUTH)

    def events(self) -> list[tuple[str | None, str]]:
        return [(auth, str(body.get("action"))) for path, auth, body in self.calls if path == "/webhook"]


@pytest.fixture(scope="session")
def client(label_studio: LabelStudioServer) -> Iterator[LabelStudio]:
    made = LabelStudio(label_studio.url, label_studio.token)
    yield made
    made.close()


@pytest.fixture(scope="session")
def http(label_studio: LabelStudioServer) -> Iterator[httpx.Client]:
    """Raw requests of the administrator, for what only tests do."""
    headers = {"Authorization": f"Token {label_studio.token}"}
    with httpx.Client(base_url=label_studio.url, headers=headers, timeout=60) as made:
        yield made


@pytest.fixture
def make_project(client: LabelStudio, http: httpx.Client) -> MakeProject:
    def make(tasks: int = 0, *, config: str = EXAMPLE, **settings: Any) -> Made:
        body = {"title": "test", "label_config": config, "sampling": "Uncertainty sampling", **settings}
        project = int(http.post("/api/projects/", json=body).raise_for_status().json()["id"])
        add_tasks(http, project, tasks)
        return Made(project, client.task_ids(project))

    return make


def add_tasks(http: httpx.Client, project: int, count: int) -> None:
    """Import tasks with data of their own, which nobody may change."""
    if count:
        body = [
            {"data": {"image": f"https://example.org/{number}.png", "number": number}}
            for number in range(count)
        ]
        http.post(f"/api/projects/{project}/import", json=body).raise_for_status()


@pytest.fixture(scope="session")
def personal_key(label_studio: LabelStudioServer) -> str:
    """A personal access token; Label Studio makes one per user, and shows it once."""
    return create_personal_token(label_studio, create_user(label_studio, PERSONAL))


@pytest.fixture(scope="session")
def annotators(label_studio: LabelStudioServer) -> list[Annotator]:
    second = create_user(label_studio, "second@labelstudio-room.org")
    return [Annotator(label_studio.url, label_studio.token), Annotator(label_studio.url, second.token)]


@pytest.fixture
def stub_backend() -> Iterator[StubBackend]:
    stub = StubBackend()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            stub.calls.append((self.path, self.headers.get("Authorization"), body))
            told = {"status": "UP", "model_version": "v1", "versions": ["v1"]}
            refused = stub.refused if self.path == "/setup" else ""
            content = json.dumps({"error": refused} if refused else told).encode()
            self.send_response(400 if refused else stub.status)
            if stub.instance:
                self.send_header(INSTANCE_HEADER, stub.instance)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield stub
    server.shutdown()
    server.server_close()
    thread.join()
