"""The embedded Redis keeps what was written, and lets nobody else in."""

import os
import shutil
import signal
import stat
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import AuthenticationError, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from backend.run.processes import alive, free_port
from backend.run.redis_server import EmbeddedRedis
from backend.run.supervisor import Supervisor


def test_it_survives_a_kill_with_its_data(tmp_path: Path) -> None:
    """After kill -9 the supervisor starts it anew on the same address, and what was written is there."""
    redis = EmbeddedRedis(tmp_path / "red is", port=free_port())
    with Supervisor() as supervisor, Redis.from_url(redis.address) as client:
        running = supervisor.add(redis.program, ready=redis.healthy, foundation=True)
        client.rpush("events", *range(1000))
        time.sleep(1.1)  # appendfsync everysec
        assert running.program_pid is not None
        os.kill(running.program_pid, signal.SIGKILL)
        end = time.monotonic() + 60
        supervisor.watch(until=lambda: supervisor.running("Redis") is not running or time.monotonic() > end)
        supervisor.running("Redis").wait_until(redis.healthy, timeout=60)
        assert client.llen("events") == 1000
        pids = supervisor.pids()
    assert not any(alive(pid) for pid in pids)


def test_a_later_start_goes_on(tmp_path: Path) -> None:
    """An orderly stop loses nothing, not even the last write; address and password stay."""
    addresses = []
    port = free_port()
    for _ in range(2):
        redis = EmbeddedRedis(tmp_path, port=port)
        addresses.append(redis.address)
        redis.start()
        with Redis.from_url(redis.address) as client:
            count = client.incr("starts")
        redis.stop()
    assert count == 2
    assert addresses[0] == addresses[1]


def test_password_that_a_full_disk_left_empty_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("")
    passwords = {urlsplit(EmbeddedRedis(tmp_path).address).password or "" for _ in range(2)}
    assert passwords == {(tmp_path / "password").read_text()}
    assert len(passwords.pop()) > 20


def test_what_an_earlier_release_kept_is_taken_over(tmp_path: Path) -> None:
    """A file that Redis 6.2 wrote: its first part compacted, commands after it. Its password stays."""
    shutil.copy(Path(__file__).parent / "data" / "redis-6.2.aof", tmp_path / "appendonly.aof")
    (tmp_path / "password").write_text("of-before")
    for starts in (1, 2):
        redis = EmbeddedRedis(tmp_path)
        redis.start()
        with Redis.from_url(redis.address) as client:
            assert client.lrange("events", 0, -1) == [
                b'{"project": 1, "task": %d}' % task for task in range(4)
            ]
            assert client.hgetall("status:1") == {b"round": b"v2.r1", b"labels": b"6"}
            assert client.zrange("order", 0, -1, withscores=True) == [(b"12", 0.25), (b"7", 0.5)]
            assert client.smembers("projects") == {b"1", b"2"}
            assert client.get("bytes") == bytes(range(256))
            assert client.ttl("lasting") > 0
            assert client.incr("starts") == starts
        redis.stop()
        assert ":of-before@" in redis.address


def test_others_on_the_machine_are_kept_out(tmp_path: Path) -> None:
    """Without the password nothing is answered, and only this user can read it."""
    redis = EmbeddedRedis(tmp_path)
    redis.start()
    try:
        with pytest.raises(AuthenticationError):
            Redis("127.0.0.1", redis.port, retry=Retry(NoBackoff(), 0)).ping()
    finally:
        redis.stop()
    for name in ("password", "redis.conf"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
