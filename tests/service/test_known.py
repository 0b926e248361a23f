"""Projects that were never connected are refused, by the shell as by the web, instead of jobs that no one
will see."""

from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from typer.testing import CliRunner

from backend.cli import app
from backend.queue import pending_work
from backend.queue.connection import COMPUTE, CONTROL
from backend.run.processes import free_port
from backend.run.redis_server import EmbeddedRedis
from tests.service.conftest import TINY, publish_version, use_settings

COMMANDS = ["status", "versions", "rollback v1 --yes", "recompute", "train"]


@pytest.fixture
def service(
    redis: Redis, redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service without a project, whose Label Studio is away."""
    del redis
    away = f"http://127.0.0.1:{free_port()}"
    use_settings(
        monkeypatch,
        redis_url=redis_server.address,
        model_dir=tmp_path / "models",
        recipe=TINY,
        label_studio_url=away,
    )


def shell(command: str, project: int) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*command.split(), "--project", str(project)])
    return done.exit_code, done.output


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("command", COMMANDS[:3])
def test_an_unknown_project_is_told(command: str) -> None:
    code, output = shell(command, 99)
    assert code == 2
    assert "Project 99 is not connected" in output
    assert "python -m backend connect --project 99" in output


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("command", COMMANDS[3:])
def test_label_studio_is_asked_before_a_job_is_made(command: str, redis: Redis) -> None:
    code, output = shell(command, 99)
    assert code == 2
    assert "Label Studio" in output
    assert [Queue(name, connection=redis).count for name in (COMPUTE, CONTROL)] == [0, 0]
    assert pending_work.projects(redis) == []


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("command", COMMANDS)
def test_no_project_has_such_a_number(command: str) -> None:
    assert shell(command, -5)[0] == 2
    code, output = shell(command, 2**40)
    assert code == 2
    assert "is not connected" in output


@pytest.mark.usefixtures("service")
def test_a_project_that_only_the_storage_knows_is_known(tmp_path: Path, redis: Redis) -> None:
    """Redis has been emptied, the models are there."""
    publish_version(tmp_path / "models", 7, steps=2)
    assert shell("versions", 7)[0] == 0
    code, output = shell("train", 7)
    assert code == 0, output
    assert pending_work.projects(redis) == [7]
