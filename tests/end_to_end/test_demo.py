"""`make demo`:
from nothing to a written order, taken up by the next run, changed by an annotator's label, and gone at
Ctrl-C."""

import json
import os
import re
import shlex
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.project_settings import DEFAULT_STRATEGY
from backend.run.processes import alive
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "RECIPE": json.dumps(
        {"width": 4, "depth": 2, "max_side": 64, "crop": 32, "batch": 2, "steps": 20, "row_steps": 5}
    ),
    "PROJECT_DEFAULTS": json.dumps({"budget": 1, "folds": 0}),
    "QUIET_SECONDS": "1",
    "TICK_SECONDS": "5",
    "COLUMNS": "200",
}
ORDER_SECONDS = 600
"""A quarter of a minute on idle cores."""


class Make:
    """A running `make demo`, in a process group of its own as in a terminal."""

    def __init__(self, folder: Path, output: Path, *arguments: str) -> None:
        self.output = output
        given = f"--folder {folder} --count 6 --size 64 {' '.join(arguments)}"
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                ["make", "demo", f"DEMO_ARGS={given}"],
                cwd=ROOT,
                env={**os.environ, **TINY},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def finished(self) -> int:
        """Wait for its end."""
        return self.process.wait(ORDER_SECONDS)

    def wait_for(self, words: str, seconds: float = ORDER_SECONDS) -> None:
        assert eventually(lambda: words in self.text or self.process.poll() is not None, seconds), self.text
        assert words in self.text, self.text

    def pids(self) -> list[int]:
        """Everything it started, and what that started."""
        found = [self.process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(OSError):  # it has just ended
                    found += [int(child) for child in children.read_text().split()]
        return found

    def end(self) -> None:
        """Leave nothing behind when a test fails."""
        for pid in reversed(self.pids()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def read(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


@pytest.mark.timeout(1800)
def test_make_demo(tmp_path: Path) -> None:
    """Two runs on one folder; the second stays up and follows an annotator."""
    folder = tmp_path / "demo"
    first = Make(folder, tmp_path / "first", "--exit")
    try:
        assert first.finished() == 0, first.text
    finally:
        first.end()
    assert "6 tasks, 3 of them" in first.text
    assert "The order is written" in first.text
    assert "Learning from the labels" in first.text
    versions = folder / "backend" / "projects" / "1" / "versions"
    kinds = [json.loads(path.read_text()).get("kind") for path in versions.glob("v*/model.json")]
    assert kinds.count("pixel") == 1  # learnt from once; a U-Net may have come behind it
    password = read(first.text, r"Log in +admin@example.com +(\S+)")

    second = Make(folder, tmp_path / "second")
    try:
        second.wait_for("Everything stays up until Ctrl-C.")
        assert "Taking up project 1." in second.text
        assert "order of the last run" in second.text
        assert read(second.text, r"Log in +admin@example.com +(\S+)") == password
        page, user, word = re.findall(r"Status +(\S+) +(\S+) +(\S+)", second.text)[0]
        assert (
            "Next images"
            in httpx.get(page, auth=(user, word), headers={"Accept": "text/html"}, timeout=60)
            .raise_for_status()
            .text
        )
        _label_the_next(second, folder)
        second.wait_for("new order: v")
        _use_the_shell(folder)
        pids = second.pids()
        assert len(pids) >= 15
        os.killpg(second.process.pid, signal.SIGINT)
        second.process.wait(60)
        assert eventually(lambda: not any(alive(pid) for pid in pids))
    finally:
        second.end()


def test_folders_of_ones_own_are_handed_on() -> None:
    """Spaces in their names too; tests of the demo's project say what becomes of them."""
    command = subprocess.check_output(
        ["make", "-n", "demo", "DEMO_IMAGES=my images", "DEMO_MASKS=my masks", "DEMO_ARGS=--exit"],
        cwd=ROOT,
        text=True,
    )
    words = shlex.split(command)
    given = words[words.index("backend.demo") + 1 :]
    assert given[:5] == ["--images", "my images", "--masks", "my masks", "--exit"]


def _label_the_next(demo: Make, folder: Path) -> None:
    """What the button "Label All Tasks" does: the first image of the list is served, with its mask;
    submit that."""
    url, project = read(demo.text, r"Open +(\S+)/projects/"), int(read(demo.text, r"/projects/(\d+)/data"))
    token = json.loads((folder / "state.json").read_text())["token"]
    with httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=60) as client:
        served: dict[str, Any] = client.post(
            "/api/dm/actions", params={"id": "next_task", "project": project}, json={"project": project}
        ).json()
        assert served["id"] == int(read(demo.text, r" 1\. .+ \(task (\d+)\)"))
        assert len(served["predictions"]) == 1
        result = served["predictions"][0]["result"]
        client.post(f"/api/tasks/{served['id']}/annotations", json={"result": result}).raise_for_status()


def _use_the_shell(folder: Path) -> None:
    """The commands in another shell, as the demo prints them."""

    def shell(arguments: str) -> subprocess.CompletedProcess[str]:
        command = f"source {folder / 'environment'}; exec python -m backend {arguments}"
        return subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=ORDER_SECONDS,
        )

    before = json.loads(shell("status --project 1 --json").stdout)
    ordered = shell("recompute --project 1 --wait")
    assert ordered.returncode == 0, ordered.stderr
    assert "Finished" in ordered.stdout
    after = json.loads(shell("status --project 1 --json").stdout)
    assert after["round"]["name"] != before["round"]["name"]
    assert after["next_tasks"]
    assert before["round"]["strategy"] == after["round"]["strategy"] == DEFAULT_STRATEGY
    connected = shell("connect --project 1")
    assert connected.returncode == 0, connected.stderr
    *findings, last = connected.stdout.splitlines()
    assert all(line.startswith("ok ") for line in findings)
    assert "/projects/1" in last
    status = shell("status").stdout
    assert re.search(r"order +\d+ \(model \d+\) of ", status)  # a later one where a training has ended since
    assert "held-out dice" in status
    unknown = shell("connect --project 999")
    assert unknown.returncode == 2
    assert "999" in unknown.stderr
    assert "Traceback" not in unknown.stderr
