"""A clock that shows what a test sets."""

from __future__ import annotations


class Clock:
    """Seconds since the start."""

    now = 0.0

    def __call__(self) -> float:
        return self.now
