"""Settings reach the processes unchanged; one service at a time on a folder;
addresses are left only while it runs."""

import json
import os
import stat
from pathlib import Path

import pytest

from backend.errors import ProcessError
from backend.project import connection
from backend.run import service
from backend.settings import EMBEDDED_REDIS_FILE, Settings, read_settings
from tests.web_server import web_server


def test_settings_survive_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process reads from the environment is what this one had, secrets, JSON and absent values
    included."""
    settings = read_settings(
        label_studio_api_key="key with 'quotes'",
        redis_url="redis://:p%40ss@127.0.0.1:1/0",
        model_dir=tmp_path / "mo del",
        basic_auth_user="u",
        basic_auth_pass="p",
        recipe={"width": 8},
        quiet_seconds=1.5,
        log_json=True,
    )
    monkeypatch.setenv("STORAGE_URL", "s3://of-the-user/overridden")
    for name, value in service.environment(settings).items():
        monkeypatch.setenv(name, value)
    again = read_settings()
    assert {name: getattr(again, name) for name in Settings.model_fields} == {
        n: getattr(settings, n) for n in Settings.model_fields
    }
    assert again.api_key == "key with 'quotes'"


def test_another_program_on_the_port_is_not_taken_for_the_web_server(tmp_path: Path) -> None:
    """Two that start at once find the same port free, and one of them is faster."""
    answer = bytearray()
    with web_server(lambda _: (200, {}, bytes(answer))) as port:
        mine = service.Service(read_settings(model_dir=tmp_path, port=port))
        for answer[:] in (b'{"status": "UP", "mark": "of another"}', b'{"status": "UP"}', b"[]", b"hello"):
            assert not mine.healthy()
        answer[:] = json.dumps({"status": "UP", "mark": mine.mark}).encode()
        assert mine.healthy()


def test_one_service_on_a_folder(tmp_path: Path) -> None:
    """A second one is told who holds it; after the first has ended it may start."""
    with (
        service.alone(tmp_path),
        pytest.raises(ProcessError, match=rf"process {os.getpid()}.*MODEL_DIR"),
        service.alone(tmp_path),
    ):
        pass
    with service.alone(tmp_path):
        pass


def test_addresses_while_it_runs(tmp_path: Path) -> None:
    """Commands in other shells find Redis and the port that was free;
    only this user can read the password."""
    running = read_settings(model_dir=tmp_path, redis_url="redis://:secret@127.0.0.1:7/0", port=9191)
    other = read_settings(model_dir=tmp_path, redis_url=None, port=9090)
    with service.addresses(running):
        assert other.redis_address == running.redis_url
        assert connection.read_own_url(other) == "http://127.0.0.1:9191"
        assert stat.S_IMODE((tmp_path / EMBEDDED_REDIS_FILE).stat().st_mode) == 0o600
    assert connection.read_own_url(other) == "http://127.0.0.1:9090"
    assert list(tmp_path.iterdir()) == []
