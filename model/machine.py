"""How many cores and how much memory this process may use:
less than the machine has, in a container or under a scheduler."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60
"""Bytes; version 1 of cgroups writes a number like this where there is no limit."""


def usable_cores() -> int:
    """Cores that this process may use at once, at least 1:
    by its affinity and by the quota of its cgroup (half a core counts as one)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in cgroups("cpu"):
        quota, period = _quota(folder)
        if quota > 0 and period > 0:
            cores = min(cores, max(1, round(quota / period)))
    return max(1, cores)


def limit_threads() -> None:
    """Tell the libraries that this process imports next of a cgroup's quota, which they do not see, and that
    threads do not spin while they wait, which costs many times the work on busy cores; what the user set
    stays."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    cores = usable_cores()
    if cores < (os.cpu_count() or 1):
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))


def usable_memory() -> int:
    """Bytes of memory that this process and its siblings may use: of the machine, or of the cgroup."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for folder in cgroups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _number(folder / name)
            if 0 < limit < _UNLIMITED:
                memory = min(memory, limit)
    return memory


def _quota(folder: Path) -> tuple[float, float]:
    """Microseconds of processor time, and in how many; 0 or less: no limit."""
    with suppress(OSError, ValueError):  # version 2: "max 100000" or "150000 100000"
        quota, period = (folder / "cpu.max").read_text().split()
        return float(quota), float(period)
    return _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def cgroups(controller: str) -> Iterator[Path]:
    """The folders of this process's cgroup and of those around it; each may set a limit.
    In a container its own is the outermost seen."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        for base in (CGROUPS / controllers, CGROUPS / controller) if controllers else (CGROUPS,):
            folder = base / path.strip("/")
            while True:
                yield folder
                if folder in (base, CGROUPS) or folder == folder.parent:
                    break
                folder = folder.parent
