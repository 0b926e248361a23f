"""How long the parts of a job took, for its line in the log."""

from __future__ import annotations

import time


class Phases:
    """Seconds by phase, in the order in which they ended; as text: "labels 0.8 s, order 1.2 s"."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._seconds: dict[str, float] = {}

    def end(self, phase: str) -> None:
        """What has passed since the phase before was this one."""
        now = time.monotonic()
        self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._since
        self._since = now

    def __str__(self) -> str:
        return ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in self._seconds.items())
