"""While Redis restarts, work that runs goes on, and who only looks sees nothing for a moment."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.exceptions import RedisError

from backend.demo import demo
from backend.errors import SupersededError
from backend.jobs.round.start import wanted
from backend.project.context import open_context
from backend.run.processes import free_port
from backend.run.redis_server import EmbeddedRedis
from tests.service.conftest import use_settings
from tests.states import read_status


def test_a_network_of_a_round_goes_on(
    redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a newer round has begun is asked every two seconds; the next answer tells."""
    away = f"redis://127.0.0.1:{free_port()}"
    use_settings(monkeypatch, redis_url=away, model_dir=tmp_path)
    wanted(open_context(1), "v1.r1")()
    use_settings(monkeypatch, redis_url=redis_server.address, model_dir=tmp_path)
    context = open_context(1)
    check = wanted(context, "v1.r1")
    context.redis.set(context.keys.wanted_round, "v1.r2")
    with pytest.raises(SupersededError, match=r"v1\.r1 is superseded by v1\.r2"):
        check()


def test_the_demo_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells what is new every ten seconds, and starts Redis anew when it has ended."""
    use_settings(monkeypatch, redis_url=f"redis://127.0.0.1:{free_port()}", model_dir=tmp_path)
    with pytest.raises(RedisError):
        read_status(1)
    assert demo.names_in_force(1) == {}
