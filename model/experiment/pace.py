"""Work that is worth repeating often, but not at the cost of what it is for."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Pace:
    """Does `work` when it is asked to, unless that would take more than a `share` of the time;
    what is put off is done at the end, also where an error or Ctrl-C is the end."""

    def __init__(
        self, share: float, work: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` tells the seconds."""
        self._share, self._work, self._clock = share, work, clock
        self._put_off = False
        self._next = clock()

    def ask(self) -> None:
        """Do the work now, or later."""
        if self._clock() < self._next:
            self._put_off = True
        else:
            self._do()

    def _do(self) -> None:
        begun = self._clock()
        self._work()
        self._put_off, now = False, self._clock()
        self._next = now + (now - begun) / self._share

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._put_off:
            self._do()
