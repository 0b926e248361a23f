"""How much memory some work takes at its peak, beside what the process has already."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path


def peak_bytes(work: Callable[[], object]) -> int:
    """Bytes that `work` takes at most, beyond what this process holds before; Linux only."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _bytes("VmRSS")
    work()
    return _bytes("VmHWM") - before


def process_peak() -> int:
    """Bytes that this process has held at most since the last `peak_bytes` began, libraries included."""
    return _bytes("VmHWM")


def _bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
