"""Waiting for what happens by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 240.0
"""Seconds that a test waits for something: the machine may be busy."""


def eventually(holds: Callable[[], object], seconds: float = 60) -> bool:
    """Wait until something holds; tells whether it does, after so many seconds at most."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return bool(holds())
