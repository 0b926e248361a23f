"""Fences in a real Redis: one holder at a time, and whoever lost it notices before writing."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from redis import Redis

from backend.errors import FenceLostError
from backend.queue.connection import connect
from backend.queue.lease import Fence
from backend.run.redis_server import EmbeddedRedis
from tests.object_store import Gate
from tests.waiting import eventually

COUNT = """
import sys, time
from pathlib import Path
from backend.queue.connection import connect
from backend.queue.lease import Fence

redis, total = connect(sys.argv[1]), Path(sys.argv[2])
for _ in range(40):
    fence = Fence(redis, "f")
    assert fence.take(wait=60, poll=0.001)
    with fence:
        count = int(total.read_text())
        time.sleep(0.002)
        fence.check()
        total.write_text(str(count + 1))
"""
"""Read, wait, write: without a fence most counts of several processes are lost."""
WRITE = """
import sys, time
from pathlib import Path
from backend.errors import FenceLostError
from backend.queue.connection import connect
from backend.queue.lease import Fence

name, redis, folder = sys.argv[1], connect(sys.argv[2]), Path(sys.argv[3])
until = folder / sys.argv[4]
fence = Fence(redis, "f", seconds=float(sys.argv[5]))
assert fence.take(wait=60, poll=0.01)
with fence:
    (folder / name).touch()
    while not until.exists():
        time.sleep(0.02)
    try:
        fence.check()
    except FenceLostError:
        sys.exit(3)
    (folder / "result").write_text(name)
"""
"""A job: it takes its fence, works until a file is there, and writes."""


def process(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)])


def test_one_holder_at_a_time(redis: Redis) -> None:
    """Twenty threads that each hold it for a moment never overlap."""
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        fence = Fence(redis, "f")
        assert fence.take(wait=30, poll=0.005)
        with fence:
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)
            fence.check()
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not redis.exists("f")


def test_one_process_at_a_time(redis: Redis, redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    """Three processes that read and write the same file lose no count."""
    del redis
    total = tmp_path / "total"
    total.write_text("0")
    processes = [process(COUNT, redis_server.address, total) for _ in range(3)]
    assert [each.wait(120) for each in processes] == [0, 0, 0]
    assert total.read_text() == "120"


def test_a_process_that_was_paused_does_not_write(
    redis: Redis, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    """Its fence runs out, another process does the work, and when the first one goes on it stops before it
    writes."""
    del redis
    paused = process(WRITE, "paused", redis_server.address, tmp_path, "go", 1)
    try:
        assert eventually((tmp_path / "paused").exists, 60)
        paused.send_signal(signal.SIGSTOP)
        heir = process(WRITE, "heir", redis_server.address, tmp_path, "heir", 60)
        assert heir.wait(60) == 0
        (tmp_path / "go").touch()
        paused.send_signal(signal.SIGCONT)
        assert paused.wait(60) == 3
    finally:
        paused.kill()
        paused.wait()
    assert (tmp_path / "result").read_text() == "heir"


def test_it_is_renewed_while_it_is_held(redis: Redis) -> None:
    """Work may take longer than the fence would last; others wait in vain."""
    with Fence(redis, "f", seconds=4) as fence:
        assert fence.take()
        time.sleep(5)
        fence.check()
        assert not Fence(redis, "f").take(wait=0.2)
    assert Fence(redis, "f").take()


def test_a_killed_holder_s_fence_runs_out(redis: Redis) -> None:
    """The next one takes it, and the first, should it wake, must not write."""
    sleeper = Fence(redis, "f", seconds=0.3)
    assert sleeper.take()
    sleeper.stop_renewing()  # as if its process were stopped
    heir = Fence(redis, "f")
    assert heir.take(wait=2)
    with pytest.raises(FenceLostError, match="taken over"):
        sleeper.check()
    sleeper.release()
    heir.check()  # what the loser released was not the heir's
    heir.release()


def test_a_sleeper_does_not_take_back_what_another_finished(redis: Redis) -> None:
    """The other has come and gone while it slept: its own result is of yesterday."""
    sleeper = Fence(redis, "f", seconds=0.3)
    assert sleeper.take()
    sleeper.stop_renewing()
    with Fence(redis, "f") as heir:
        assert heir.take(wait=2)
    with pytest.raises(FenceLostError):
        sleeper.check()


@pytest.mark.parametrize("lost", [False, True])
def test_a_renewal_that_comes_after_the_release_is_too_late(redis: Redis, lost: bool) -> None:
    """It was on its way from another thread;
    others do not wait for a fence that nobody holds, also if Redis had lost it."""
    fence = Fence(redis, "f")
    assert fence.take()
    number = fence.number
    if lost:
        redis.delete("f")
    fence.release()
    fence.number = number
    assert not fence.renew()
    assert Fence(redis, "f").take()


def test_a_restart_of_redis_loses_nothing(redis_server: EmbeddedRedis, redis: Redis) -> None:
    """A key that was lost in the last second is taken back if nobody else came."""
    del redis_server
    fence = Fence(redis, "f", seconds=5)
    assert fence.take()
    redis.delete("f")
    fence.check()
    assert redis.exists("f")
    fence.release()


def test_an_unreachable_redis_ends_the_fence_in_time(redis_server: EmbeddedRedis, redis: Redis) -> None:
    """While Redis is away nobody can take it, until it would have run out."""
    del redis
    gate, seconds = Gate(redis_server.port), 0.0
    gate.open()
    through = redis_server.address.replace(f":{redis_server.port}", f":{gate.port}")
    fence = Fence(connect(through, timeout=1, attempts=1), "f", seconds=60, clock=lambda: seconds)
    assert fence.take()
    gate.close()
    seconds = 59.0
    fence.check()
    seconds = 60.0
    with pytest.raises(FenceLostError):
        fence.check()


def test_never_taken(redis: Redis) -> None:
    """Checking a fence one does not hold is an error as well."""
    with pytest.raises(FenceLostError, match="never taken"):
        Fence(redis, "f").check()
