"""What a process may use of its machine, by affinity and by cgroup."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model import machine
from model.machine import usable_cores, usable_memory


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux binds processes to cores")
def test_fewer_cores_by_affinity() -> None:
    """As a scheduler or `taskset` gives them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "20000 100000"}, 1),
        ({"box/cpu.max": "max 100000", "cpu.max": "300000 100000"}, 3),
        ({"box/cpu.cfs_quota_us": "400000", "box/cpu.cfs_period_us": "100000"}, 4),
        ({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, 64),
        ({"cpu.max": "nonsense"}, 64),
        ({}, 64),
    ],
)
def test_fewer_cores_by_cgroup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    """As `docker run --cpus`, Kubernetes and systemd limit them:
    the tightest of the groups around the process."""
    (tmp_path / "box").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(machine, "cgroups", lambda _: iter([tmp_path / "box", tmp_path]))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert usable_cores() == cores


def test_less_memory_by_cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cgroups", lambda _: iter([tmp_path]))
    assert usable_memory() > 1 << 28
    (tmp_path / "memory.max").write_text("268435456\n")
    assert usable_memory() == 1 << 28
    (tmp_path / "memory.max").write_text("max\n")
    assert usable_memory() > 1 << 28
