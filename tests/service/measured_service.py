"""A web server and two workers whose figures and logs are read."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text
from redis import Redis

from backend.queue import connection as connections
from backend.run import service
from backend.run.processes import Program, Running, free_port
from backend.run.redis_server import EmbeddedRedis
from backend.settings import get_settings
from tests.service.conftest import TINY, Web, start_web, use_settings
from tests.waiting import eventually

KEY, PASSWORD, TOKEN = "0123456789abcdef-api-key", "correct horse battery", "creators-legacy-token"
SECONDS = 90.0


@dataclass
class Service:
    """Web server and two workers, the first logging text, all else JSON;
    and a Label Studio that accepts connections and never answers."""

    web: Web
    server: EmbeddedRedis
    redis: Redis
    workers: list[Running]
    logs: list[Path]

    def value(self, name: str, **labels: str) -> float | None:
        """The value of a sample at a new scrape, None if there is none."""
        families = parse_text(self.web.get("/metrics").raise_for_status().text)
        found = [
            s.value for family in families for s in family.samples if s.name == name and s.labels == labels
        ]
        assert len(found) <= 1
        return found[0] if found else None

    def wait(self, expected: float, name: str, **labels: str) -> None:
        """Wait until a sample has a value."""
        assert eventually(lambda: self.value(name, **labels) == expected, SECONDS), (
            f"{name}{labels}: {self.value(name, **labels)}"
        )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The programs as `python -m backend up` starts them."""
    folder = tmp_path_factory.mktemp("service")
    server = EmbeddedRedis(folder / "redis", port=free_port())
    server.start()
    with (
        pytest.MonkeyPatch.context() as patch,
        socket.socket() as silent,
        Redis.from_url(server.address) as redis,
    ):
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        settings = use_settings(
            patch,
            redis_url=server.address,
            model_dir=folder / "models",
            port=free_port(),
            basic_auth_user="label-studio",
            basic_auth_pass=PASSWORD,
            label_studio_url=f"http://127.0.0.1:{silent.getsockname()[1]}",
            label_studio_api_key=KEY,
            log_json=True,
            recipe=TINY,
        )
        logs = [folder / f"worker-{number}.log" for number in (1, 2)]
        workers = [
            Program(
                log.stem,
                service.python("backend.run.worker", "compute"),
                environment={
                    **service.environment(settings),
                    "LOG_JSON": "false" if log is logs[0] else "true",
                },
                log=log,
                grace=0.5,
            ).start()
            for log in logs
        ]
        web = start_web(settings, folder)
        yield Service(web, server, redis, workers, [*logs, web.log])
        for program in (*workers, web.running):
            program.request_stop()
        for program in (*workers, web.running):
            program.stop()
    server.stop()
    get_settings.cache_clear()
    connections.forget_connections()
