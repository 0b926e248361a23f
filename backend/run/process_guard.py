"""A small parent for one program, so that nothing of it outlives whoever started it.

Run as a script, with the standard library alone: `python process_guard.py GRACE PROGRAM ARGUMENT...`.
It starts the program in a session of its own, passes signals on, and when the program has ended kills what is
left in that session:
rq's work horse, for example, survives its killed worker and would go on beside the retry.
Standard input is the lifeline:
the starter holds the other end, and when it closes (the starter was killed) the program is stopped.
When the guard itself is killed, Linux kills the program.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
_CHECK_SECONDS = 1.0


def stat(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat after the name: state, parent, ...;
    bytes, as a name may be cut within a letter. Raises OSError."""
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()


def session_members(session: int) -> list[int]:
    """List the process ids of a session without its leader; empty where there is no /proc (macOS)."""
    members = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = stat(int(entry.name))
        except OSError:  # it ended meanwhile
            continue
        if int(fields[3]) == session and fields[0] != b"Z" and int(entry.name) != session:
            members.append(int(entry.name))
    return members


def kill_session(session: int) -> None:
    """Kill every process of a session but its leader, also those that are forked meanwhile."""
    for _ in range(20):
        members = session_members(session)
        if not members:
            return
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def die_with(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere the lifeline has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            os._exit(128 + signal.SIGKILL)


def main(grace: float, command: list[str]) -> int:
    """Run the command until it ends or the lifeline closes;
    returns its exit code, 128 + signal if it was killed."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    passed_on = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
    for number in (*passed_on, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    keeper = os.getpid()
    # No threads here, so that a function before exec is safe.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=lambda: die_with(keeper))
    watched = [read_end, sys.stdin.fileno()]
    kill_at = float("inf")
    while child.poll() is None:
        ready, _, _ = select.select(
            watched, [], [], min(_CHECK_SECONDS, max(0.0, kill_at - time.monotonic()))
        )
        if read_end in ready:
            for byte in os.read(read_end, 512):
                if byte in passed_on and child.poll() is None:
                    child.send_signal(byte)
        if sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 512):
            watched = [read_end]
            child.terminate()
            kill_at = time.monotonic() + grace
        if time.monotonic() >= kill_at:
            child.kill()
            kill_at = float("inf")
    kill_session(keeper)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    raise SystemExit(main(float(sys.argv[1]), sys.argv[2:]))
