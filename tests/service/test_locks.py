"""Fences in a real Redis: one holder at a time, and whoever lost it notices before writing."""

from __future__ import annotations

import threading
import time

import pytest
from redis import Redis

from backend.errors import FenceLostError
from backend.jobs.connection import connect
from backend.jobs.locks import Fence
from backend.redis_server import EmbeddedRedis


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


def test_it_is_renewed_while_it_is_held(redis: Redis) -> None:
    """Work may take longer than the fence would last; others wait in vain."""
    with Fence(redis, "f", seconds=0.4) as fence:
        assert fence.take()
        time.sleep(1.2)
        fence.check()
        assert not Fence(redis, "f").take(wait=0.2)
    assert Fence(redis, "f").take()


def test_a_killed_holder_s_fence_runs_out(redis: Redis) -> None:
    """The next one takes it, and the first, should it wake, must not write."""
    sleeper = Fence(redis, "f", seconds=0.3)
    assert sleeper.take()
    sleeper._ended.set()  # as if its process were stopped
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
    sleeper._ended.set()
    with Fence(redis, "f") as heir:
        assert heir.take(wait=2)
    with pytest.raises(FenceLostError):
        sleeper.check()


def test_a_restart_of_redis_loses_nothing(redis_server: EmbeddedRedis, redis: Redis) -> None:
    """A key that was lost in the last second is taken back if nobody else came."""
    del redis_server
    fence = Fence(redis, "f", seconds=5)
    assert fence.take()
    redis.delete("f")
    fence.check()
    assert redis.exists("f")
    fence.release()


def test_an_unreachable_redis_ends_the_fence_in_time() -> None:
    """While Redis is away nobody can take it, until it would have run out."""
    away = connect("redis://127.0.0.1:9", timeout=0.1, attempts=1)
    fence = Fence(away, "f")
    fence.number = 1
    fence._valid_until = time.monotonic() + 0.3
    fence.check()
    time.sleep(0.35)
    with pytest.raises(FenceLostError):
        fence.check()


def test_never_taken(redis: Redis) -> None:
    """Checking a fence one does not hold is an error as well."""
    with pytest.raises(FenceLostError, match="never taken"):
        Fence(redis, "f").check()
