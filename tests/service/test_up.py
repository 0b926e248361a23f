"""`python -m backend up` runs everything, keeps it running, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from redis import Redis
from rq import Worker

from backend.demo.server import LabelStudioServer
from backend.queue.connection import COMPUTE
from backend.run import process_guard
from backend.run.processes import alive, free_port
from backend.settings import EMBEDDED_REDIS_FILE
from tests.stack import workers_on
from tests.waiting import eventually
from tests.web_server import Answer, web_server

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 150
"""Several processes import the networks' libraries at once."""


class Up:
    """The running command."""

    def __init__(self, folder: Path, environment: dict[str, str], *arguments: str) -> None:
        self.folder = folder
        self.output = folder / "output"
        clean = {
            name: value
            for name, value in os.environ.items()
            if name not in ("REDIS_URL", "STORAGE_URL", "BACKEND_URL")
        }
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "backend", *(arguments or ("up",))],
                cwd=ROOT,
                env=clean
                | {"MODEL_DIR": str(folder / "data"), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
                | environment,
                stdout=output,
                stderr=output,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def keepers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def pids(self) -> list[int]:
        return [pid for leader in self.keepers() for pid in [leader, *process_guard.session_members(leader)]]

    def keeper_of(self, word: str) -> int:
        """The keeper of the program with that word in its command line."""
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in self.keepers()}
        return next(pid for pid, command in commands.items() if word in command)

    def wait_until_ready(self) -> None:
        assert eventually(lambda: "Ready." in self.text or self.process.poll() is not None, START_SECONDS), (
            self.text
        )
        assert self.process.poll() is None, self.text


def handles_signals(pid: int) -> bool:
    """Whether a process has said what SIGTERM does there; Python itself does so for Ctrl-C alone."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1)


@contextmanager
def up(folder: Path, **environment: str) -> Iterator[Up]:
    running = Up(folder, environment)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


@pytest.fixture
def environment() -> dict[str, str]:
    """A Label Studio that is away: the service starts, warns, and waits for it."""
    return {
        "LABEL_STUDIO_URL": f"http://127.0.0.1:{free_port()}",
        "LABEL_STUDIO_API_KEY": "f" * 40,
        "WORKERS": "1",
    }


def test_everything_runs_survives_and_ends(tmp_path: Path, environment: dict[str, str]) -> None:
    """A killed worker comes back, and the program of all workers; Ctrl-C ends all, also while that one loads
    its libraries;
    a Label Studio that comes is told.

    Commands in another shell find Redis meanwhile.
    """
    port = free_port()
    with up(tmp_path, PORT=str(port), **environment) as running:
        running.wait_until_ready()
        assert "Warning: " in running.text, "Label Studio is away"
        assert environment["LABEL_STUDIO_API_KEY"] not in running.text
        url = (tmp_path / "data" / "backend-url").read_text()
        assert url == f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/health", timeout=60).json()["status"] == "UP"

        redis = Redis.from_url((tmp_path / "data" / EMBEDDED_REDIS_FILE).read_text())
        assert eventually(lambda: len(Worker.all(redis)) == 3, 240), running.text
        status = Up(
            tmp_path / "data", environment | {"MODEL_DIR": str(tmp_path / "data")}, "status", "--json"
        )
        assert status.process.wait(60) == 0
        assert status.text.strip() == "{}"

        answers = {
            "/api/version": b'{"release": "1.23.2"}',
            "/api/current-user/whoami": b'{"email": "lab@example.com"}',
        }
        with web_server(
            lambda path: (200, {}, answers[path]), port=int(environment["LABEL_STUDIO_URL"].rsplit(":", 1)[1])
        ):
            assert eventually(lambda: "as lab@example.com." in running.text, 60), running.text

        (worker,) = workers_on(COMPUTE, redis)
        os.kill(worker, signal.SIGKILL)
        assert eventually(lambda: set(workers_on(COMPUTE, redis)) - {worker}), running.text
        leader = running.keeper_of("worker_pool")
        os.kill(process_guard.session_members(leader)[0], signal.SIGKILL)
        assert eventually(lambda: "workers started again" in running.text), running.text
        pids = running.pids()
        assert len(pids) >= 8
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0
        assert not any(alive(pid) for pid in pids)
        assert not (tmp_path / "data" / EMBEDDED_REDIS_FILE).exists()
        assert "Traceback" not in running.text


def test_a_taken_port_is_refused(tmp_path: Path, environment: dict[str, str]) -> None:
    """Connections in Label Studio point to PORT: another one, chosen silently, would leave them behind.
    Who listens there is named."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = Up(tmp_path, environment | {"PORT": str(port)})
        assert running.process.wait(60) == 2
    assert f"Port {port} is taken by process {os.getpid()} (" in running.text
    assert "set PORT to another number" in running.text
    assert "Ready" not in running.text
    assert "Redis" not in running.text, "nothing has been started"


def test_a_wrong_key_and_a_wrong_address_are_told_before_anything_starts(
    tmp_path: Path, label_studio: LabelStudioServer
) -> None:
    """Neither passes by itself: no "Ready", exit code 2, and what to do.
    A key is not sent to an address that leads elsewhere."""
    asked = []

    def redirect(path: str) -> Answer:
        asked.append(path)
        return 301, {"Location": f"https://127.0.0.1{path}"}, b""

    with web_server(redirect) as moved, web_server(lambda _: (200, {}, b"hello")) as other:
        for url, told in (
            (label_studio.url, "does not accept LABEL_STUDIO_API_KEY"),
            (f"http://127.0.0.1:{moved}", "set LABEL_STUDIO_URL=https://127.0.0.1."),
            (f"http://127.0.0.1:{other}", "check that LABEL_STUDIO_URL is a Label Studio"),
        ):
            running = Up(
                tmp_path,
                {"LABEL_STUDIO_URL": url, "LABEL_STUDIO_API_KEY": "f" * 40, "PORT": str(free_port())},
            )
            assert running.process.wait(60) == 2
            assert told in running.text
            assert "Ready" not in running.text
            assert not (tmp_path / "data").exists()
    assert asked == ["/api/version"]


@pytest.mark.parametrize(
    ("begun", "number"),
    [("", signal.SIGINT), ("Embedded Redis", signal.SIGTERM)],
    ids=["it loads its libraries", "the web server starts"],
)
def test_it_is_stopped_without_a_traceback_while(
    tmp_path: Path, environment: dict[str, str], begun: str, number: signal.Signals
) -> None:
    """By Ctrl-C or `kill`, and once more: nothing is left behind, and no process says where it was."""
    with up(tmp_path, PORT=str(free_port()), **environment) as running:
        if begun:
            assert eventually(lambda: begun in running.text, START_SECONDS), running.text
        else:
            assert eventually(lambda: handles_signals(running.process.pid))
        pids = running.pids()
        running.process.send_signal(number)
        time.sleep(0.05)
        running.process.send_signal(number)
        assert running.process.wait(60) == 128 + number, running.text
        assert not any(alive(pid) for pid in pids)
        assert "Traceback" not in running.text


def test_kill_9_leaves_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    """Even when nobody can clean up; and the next start works on the same folder.
    With LOG_JSON, every line of every process is JSON."""
    with up(tmp_path, PORT=str(free_port()), LOG_JSON="true", **environment) as running:
        assert eventually(lambda: "Backend at" in running.text, START_SECONDS), running.text
        pids = running.pids()
        assert len(pids) >= 5
        assert {"gunicorn.error", "backend.app"} <= {
            json.loads(line)["logger"] for line in running.text.splitlines()
        }
        running.process.kill()
        running.process.wait()
        assert eventually(lambda: not any(alive(pid) for pid in pids))


def test_what_is_missing_is_said(tmp_path: Path, environment: dict[str, str]) -> None:
    """Without a key nothing starts, and the message says where to get one."""
    running = Up(tmp_path, environment | {"LABEL_STUDIO_API_KEY": ""})
    assert running.process.wait(60) == 2
    assert "LABEL_STUDIO_API_KEY is not set" in running.text
    assert not (tmp_path / "data").exists()


def test_the_package_without_dependencies_names_its_command() -> None:
    """label-studio-ml is installed apart from requirements.txt; whoever forgets that is told how."""
    hide = "import sys; sys.modules['label_studio_ml'] = None; import importlib.util as u; f = u.find_spec\n"
    hide += (
        "u.find_spec = lambda name, *a: None if name == 'label_studio_ml' else f(name, *a)\nimport backend"
    )
    result = subprocess.run(
        [sys.executable, "-c", hide], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "pip install --no-deps label-studio-ml==1.0.9" in result.stderr
