"""Programs are started, started anew when they die, and leave nothing behind, however they or we end."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backend.errors import ProcessError
from backend.run.processes import Program, alive, free_port
from backend.run.supervisor import Supervisor
from tests.waiting import eventually

SLEEP = "import time; time.sleep(600)"
HORSE = """
import os, signal, sys, time
if os.fork() == 0:
    os.setpgrp()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
open(sys.argv[1], "a").write("started\\n")
time.sleep(600)
"""
"""Like an rq worker: a child in a process group of its own that ignores polite requests."""


def program(code: str, *arguments: str | Path, log: Path | None = None, grace: float = 0.4) -> Program:
    return Program("sleeper", [sys.executable, "-c", code, *arguments], log=log, grace=grace)


def test_a_process_that_ends_while_it_is_asked_about() -> None:
    """Between the opening of its entry in /proc and the reading: about every fifth of these."""
    for _ in range(500):
        process = os.posix_spawn("/bin/true", ["true"], {})
        collector = threading.Thread(target=os.waitpid, args=(process, 0))
        collector.start()
        while alive(process):
            pass
        collector.join()


def test_a_program_whose_name_is_cut_within_a_letter(tmp_path: Path) -> None:
    """Linux keeps 15 bytes of a name; any program of the machine may have such a one."""
    name = "import ctypes; ctypes.CDLL(None).prctl(15, 'abcdefghijklmnü'.encode()); "
    running = program(
        f"import pathlib, sys; {name} pathlib.Path(sys.argv[1]).touch(); {SLEEP}", tmp_path / "named"
    ).start()
    assert eventually((tmp_path / "named").exists)
    assert len(running.pids()) == 2
    pids = running.pids()
    running.stop()
    assert not any(alive(pid) for pid in pids)


def test_stop_leaves_nothing(tmp_path: Path) -> None:
    """A child's child in another process group that ignores SIGTERM goes too."""
    running = program(HORSE, tmp_path / "starts", grace=20).start()
    assert eventually(lambda: len(running.pids()) == 3)
    pids = running.pids()
    running.stop()
    assert not any(alive(pid) for pid in pids)
    assert running.exit_code() == 128 + signal.SIGTERM


def test_a_killed_program_takes_its_children_along(tmp_path: Path) -> None:
    """After kill -9 of a worker its work horse does not go on beside the retry."""
    running = program(HORSE, tmp_path / "starts").start()
    assert eventually(lambda: len(running.pids()) == 3)
    pids = running.pids()
    assert running.program_pid is not None
    os.kill(running.program_pid, signal.SIGKILL)
    assert eventually(lambda: not any(alive(pid) for pid in pids))
    assert running.exit_code() == 128 + signal.SIGKILL
    running.stop()


def test_a_killed_keeper_takes_the_program_along() -> None:
    """Nothing runs without somebody who would end it."""
    running = program(SLEEP).start()
    assert eventually(lambda: running.program_pid)
    pids = running.pids()
    os.kill(running.pid, signal.SIGKILL)
    assert eventually(lambda: not alive(pids[1]))
    running.stop()
    assert not any(alive(pid) for pid in pids)


def test_a_killed_supervisor_leaves_nothing(tmp_path: Path) -> None:
    """kill -9 of the process that started everything ends everything, also what ignores SIGTERM."""
    code = f"""
import sys, time
from pathlib import Path
from backend.run.processes import Program
running = Program("horse", [sys.executable, "-c", {HORSE!r}, sys.argv[1] + "/starts"], grace=0.3).start()
while len(running.pids()) < 3: time.sleep(0.02)
Path(sys.argv[1], "pids.tmp").write_text(" ".join(map(str, running.pids())))
Path(sys.argv[1], "pids.tmp").rename(sys.argv[1] + "/pids")
time.sleep(600)
"""
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    assert eventually(lambda: (tmp_path / "pids").exists())
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 3
    starter.kill()
    starter.wait()
    assert eventually(lambda: not any(alive(pid) for pid in pids))


def test_what_dies_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The supervisor says that it died, waits a moment, and starts it anew."""
    caplog.set_level(logging.INFO)
    with Supervisor() as supervisor:
        first = supervisor.add(program(HORSE, tmp_path / "starts", log=tmp_path / "log"))
        assert eventually(lambda: (tmp_path / "starts").exists() and len(first.pids()) == 3)
        old = first.pids()
        assert first.program_pid is not None
        os.kill(first.program_pid, signal.SIGKILL)
        end = time.monotonic() + 60
        supervisor.watch(
            until=lambda: (tmp_path / "starts").read_text().count("started") == 2 or time.monotonic() > end
        )
        new = supervisor.running("sleeper")
        assert new is not first
        assert not any(alive(pid) for pid in old)
        pids = new.pids()
        assert len(pids) >= 2
    assert not any(alive(pid) for pid in pids)
    assert "sleeper ended with exit code 137" in caplog.text
    assert "sleeper started again" in caplog.text


def test_pauses_grow(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A program that cannot run does not keep the machine busy."""
    with Supervisor() as supervisor:
        supervisor.add(program("raise SystemExit('no disk')", log=tmp_path / "log"))
        end = time.monotonic() + 60
        supervisor.watch(until=lambda: "in 2.0 s" in caplog.text or time.monotonic() > end)
    assert "in 1.0 s" in caplog.text
    assert "in 2.0 s" in caplog.text
    assert "no disk" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_watch(number: signal.Signals) -> None:
    """Ctrl-C and `kill` end everything in order; foundations last."""
    with Supervisor() as supervisor:
        base = supervisor.add(program(SLEEP), foundation=True)
        upper = supervisor.add(program(SLEEP))
        assert eventually(lambda: len(base.pids()) == len(upper.pids()) == 2)
        pids = supervisor.pids()

        def signal_once_it_watches() -> bool:
            os.kill(os.getpid(), number)
            return False

        supervisor.watch(until=signal_once_it_watches)
        assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)


def test_foundations_end_last(caplog: pytest.LogCaptureFixture) -> None:
    """Redis ends after those that write to it."""
    caplog.set_level(logging.INFO)
    with Supervisor() as supervisor:
        for name in ("redis", "web", "worker"):
            supervisor.add(Program(name, [sys.executable, "-c", SLEEP]), foundation=name == "redis")
    assert [message.split()[0] for message in caplog.messages] == ["worker", "web", "redis"]


def test_what_ends_in_time_is_asked_once(tmp_path: Path) -> None:
    """A second request would make an rq worker give up its job; also when several are ended together:
    all are asked, then awaited."""
    code = """
import pathlib, signal, sys, time
asked = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: asked.open("a").write("x"))
asked.touch()
while not asked.read_text():
    time.sleep(0.02)
time.sleep(1)
"""
    files = [tmp_path / "first", tmp_path / "second"]
    with Supervisor() as supervisor:
        for file in files:
            supervisor.add(program(code, file, grace=60), ready=file.exists)
    assert [file.read_text() for file in files] == ["x", "x"]


def test_an_early_end_is_explained(tmp_path: Path) -> None:
    """The message holds what the program wrote last."""
    running = program("raise SystemExit('cannot read the settings')", log=tmp_path / "log").start()
    with pytest.raises(ProcessError, match=r"(?s)sleeper ended with exit code 1 .*cannot read the settings"):
        running.wait_until(lambda: False, timeout=60)
    running.stop()


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    """Nothing is started."""
    with pytest.raises(ProcessError, match=r"nothing-here.*make setup"):
        Program("web", [tmp_path / "nothing-here"]).start()


def test_a_taken_port_gives_another() -> None:
    """The preferred port is used when it is free."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port
