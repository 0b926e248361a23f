"""Who listens on a port of this machine, for messages about a port that is taken."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def describe_holder(port: int) -> str:
    """The program that listens on a TCP port, such as "process 4711 (python -m backend up)";
    "another program" if it cannot be told.

    Programs of other users are not told to us by the kernel.
    """
    try:
        found = {
            each.pid
            for each in psutil.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN and getattr(each.laddr, "port", None) == port
        }
        pids = sorted(pid for pid in found if pid and pid != os.getpid())
        return _describe(pids[0]) if pids else "another program"
    except (psutil.Error, OSError):  # no rights, or it ended meanwhile
        return "another program"


def _describe(pid: int) -> str:
    process = psutil.Process(pid)
    words = [Path(word).name if number == 0 else word for number, word in enumerate(process.cmdline())]
    # Arguments may hold secrets, so only the program and what it runs (`-m package` or a script) are told.
    shown = words[: 3 if words[1:2] == ["-m"] else 2] or [process.name()]
    return f"process {pid} ({' '.join(shown)})"
