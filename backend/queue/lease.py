"""Fences:
one worker at a time does a kind of work for a project, and one that lost its fence stops before it writes.

A worker can be killed while its work goes on in a surviving process, or be paused for minutes and then wake:
a lock alone cannot tell.
So every holder has a number of its own, renews its lock while it works, and asks whether it still holds it
before each write.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from backend.errors import FenceLostError

SECONDS = 45.0
"""Time after its last renewal at which a fence is free again;
a job whose worker was killed begins anew after as long (SILENT_SECONDS)."""

# A key that is gone (Redis restarted without its last second) is taken back if nobody else was given a number
# meanwhile.
_RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if not holder and redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0
"""
_TAKE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local number = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], number, 'PX', ARGV[1])
return number
"""
# The number ends with it, so that a renewal that is on its way does not take the fence back.
_RELEASE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('INCR', KEYS[2])
return redis.call('DEL', KEYS[1])
"""


class Fence:
    """A lock of one name with a number for each holder; a context manager once it is taken."""

    def __init__(
        self,
        redis: Redis,
        key: str,
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds` of the clock without renewal free it."""
        self.key = key
        self.number: int | None = None
        self._redis = redis
        self._milliseconds = int(seconds * 1000)
        self._seconds = seconds
        self._clock = clock
        self._valid_until = 0.0
        self._ended = threading.Event()
        self._renewer: threading.Thread | None = None

    def take(self, *, wait: float = 0.0, poll: float = 0.5) -> bool:
        """Take it, waiting up to `wait` seconds for another holder; tells whether it was taken."""
        until = time.monotonic() + wait
        while True:
            asked = self._clock()
            number = int(self._redis.eval(_TAKE, 2, self.key, f"{self.key}:number", self._milliseconds))
            if number:
                self.number = number
                self._valid_until = asked + self._seconds
                self._renewer = threading.Thread(target=self._keep, name=f"fence {self.key}", daemon=True)
                self._renewer.start()
                return True
            if time.monotonic() >= until:
                return False
            time.sleep(poll)

    def check(self) -> None:
        """Raise FenceLostError unless this is still the holder; to be called before each write."""
        if self.number is None:
            raise FenceLostError(f"The fence {self.key} was never taken.")
        with suppress(RedisError):  # away for a moment: nobody else can take it before it runs out
            if not self.renew():
                self._valid_until = 0.0
        if self._clock() >= self._valid_until:
            raise FenceLostError(
                f"Another run has taken over {self.key.split(':', 1)[-1]}; this one stops without writing."
            )

    def release(self) -> None:
        """Give it back if it is still held."""
        self.stop_renewing()
        if self.number is not None:
            with suppress(RedisError):  # it runs out by itself
                self._redis.eval(_RELEASE, 2, self.key, f"{self.key}:number", self.number)
            self.number = None

    def stop_renewing(self) -> None:
        """Let it run out, unless it is renewed by whoever checks it."""
        self._ended.set()

    def renew(self) -> bool:
        """Hold it for as long as at first, from now on; tells whether it is still held."""
        asked = self._clock()
        keys = (self.key, f"{self.key}:number")
        renewed = bool(self._redis.eval(_RENEW, 2, *keys, str(self.number), self._milliseconds))
        if renewed:
            self._valid_until = asked + self._seconds
        return renewed

    def _keep(self) -> None:
        while not self._ended.wait(self._seconds / 4):
            try:
                if not self.renew():
                    self._valid_until = 0.0
                    return
            except RedisError:
                continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
