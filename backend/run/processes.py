"""Start and stop of programs as children of this one:
in their own session, with a log, and gone when this process is gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.errors import ProcessError
from backend.run import process_guard

GRACE_SECONDS = 10.0
"""Time for an orderly end before a program is killed."""
_POLL_SECONDS = 0.05
_LOG_LINES = 15


def free_port(preferred: int | None = None) -> int:
    """Choose a TCP port on 127.0.0.1: the preferred one if nothing listens there, otherwise any free one."""
    if preferred is not None and _bindable(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _bindable(port: int) -> bool:
    # Bound on every address: a program on 0.0.0.0 or on one address only would take the connections of ours.
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # a port of a server that has just ended is free
        try:
            probe.bind(("0.0.0.0", port))
        except (OSError, OverflowError):
            return False
    return True


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits to be collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return process_guard.stat(pid)[0] != b"Z"
    except (
        FileNotFoundError,
        ProcessLookupError,
    ):  # no /proc here (macOS), or it ended before or while its entry was read
        return not Path("/proc/self").exists()


@dataclass
class Program:
    """One program to run: what it is called in messages, its command, environment and log file.

    `log` None lets it write to this process's own output.
    `environment` is added to (not in place of) this process's.
    """

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    folder: Path | None = None
    grace: float = GRACE_SECONDS

    def start(self) -> Running:
        """Start it under a keeper (see backend/run/process_guard.py).
        Raises ProcessError if the program does not exist."""
        command = [str(part) for part in self.command]
        if not Path(command[0]).exists():
            raise ProcessError(
                f"{self.name}: found no program {command[0]}, expected it to be installed; run `make setup`."
            )
        output: int | None = None
        if self.log is not None:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", process_guard.__file__, str(self.grace), *command],
                # the lifeline: closed by the kernel when this process dies, however it dies
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
                cwd=self.folder,
                start_new_session=True,
            )
        finally:
            if output is not None:
                os.close(output)
        return Running(self, process)


class Running:
    """A started program; `pid` is its keeper's, `program_pid` its own."""

    def __init__(self, program: Program, process: subprocess.Popen[bytes]) -> None:
        self.program = program
        self.pid = process.pid
        self._process = process
        self._asked: float | None = None  # when it was first asked to end, in monotonic seconds

    @property
    def program_pid(self) -> int | None:
        """The process id of the program itself;
        None before it started, after it ended, and where there is no /proc."""
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def pids(self) -> list[int]:
        """List every process of it that runs: the keeper, the program, and what that started."""
        return [pid for pid in [self.pid, *process_guard.session_members(self.pid)] if alive(pid)]

    def exit_code(self) -> int | None:
        """Tell how it ended (128 + signal if it was killed), or None while it runs."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def log_end(self) -> str:
        """Quote the last lines of its log, for error messages."""
        if self.program.log is None or not self.program.log.exists():
            return ""
        lines = self.program.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return f"\nThe end of {self.program.log}:\n" + "\n".join(f"  {line}" for line in lines)

    def wait_until(
        self, ready: Callable[[], bool], *, timeout: float, tick: Callable[[float], None] | None = None
    ) -> None:
        """Wait until `ready()` holds; `tick(seconds waited)` is called meanwhile.

        Raises ProcessError, with the end of the log, when the program ends or `timeout` seconds pass.
        """
        start = time.monotonic()
        while not ready():
            waited = time.monotonic() - start
            if (code := self.exit_code()) is not None:
                raise ProcessError(
                    f"{self.program.name} ended with exit code {code} before it was ready.{self.log_end()}"
                )
            if waited > timeout:
                raise ProcessError(
                    f"{self.program.name} was not ready after {timeout:.0f} s.{self.log_end()}"
                )
            if tick is not None:
                tick(waited)
            time.sleep(_POLL_SECONDS)

    def request_stop(self) -> float:
        """Ask it to end, once however often this is called; `stop` waits for that.
        Returns when it was asked (monotonic seconds)."""
        if self._asked is None:
            self._asked = time.monotonic()
            self._terminate()
        return self._asked

    def stop(self) -> None:
        """End it and everything it started: politely, once more at half of its grace time, then by force."""
        # An rq worker finishes its job at the first request and gives it up at the second;
        # a job may take hours.
        if not self._ended_by(self.request_stop() + self.program.grace / 2):
            self._terminate()
            self._ended_by(time.monotonic() + self.program.grace / 2)
        process_guard.kill_session(self.pid)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        process_guard.kill_session(self.pid)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _terminate(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def _ended_by(self, deadline: float) -> bool:
        while self._process.poll() is None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True
