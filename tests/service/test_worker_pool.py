"""The workers of a machine, forks of one program that keeps each of them running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis import Redis
from rq import Retry

from backend.queue import connection as connections
from backend.run import worker_pool
from backend.run.processes import Program, alive
from backend.run.service import ROOT
from tests.service.burst import work_off
from tests.waiting import eventually

POOL = """
import os, signal, sys, time
from pathlib import Path
from backend.run import worker_pool

worker_pool.FIRST_PAUSE, notes = 0.2, Path(sys.argv[1])

def work(name):
    with notes.open("a") as file:
        file.write(f"{name} {os.getpid()} {os.nice(0)}\\n")
    if name == "fails":
        raise ConnectionError("Redis is away")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    time.sleep(600)

worker_pool.WorkerPool(work, ["control", "fails", "compute"]).run()
"""


def test_one_that_fails_again_and_again_keeps_no_other_waiting(tmp_path: Path) -> None:
    """It is tried less and less often, and one that is killed meanwhile is back at once;
    a signal ends all of them."""
    notes = tmp_path / "notes"

    def started(name: str) -> list[int]:
        lines = notes.read_text().splitlines() if notes.exists() else []
        return [int(line.split()[1]) for line in lines if line.startswith(name)]

    running = Program("pool", [sys.executable, "-c", POOL, notes], log=tmp_path / "log", grace=20).start()
    try:
        assert eventually(lambda: len(started("fails")) == 5), running.log_end()  # the next one in 3.2 s
        first, second = started("co")
        nice = {line.split()[0]: int(line.split()[2]) for line in notes.read_text().splitlines()}
        assert nice["compute"] - nice["control"] == worker_pool.BACKGROUND_NICENESS
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: len(started("co")) == 3), running.log_end()
        assert len(started("fails")) == 5
        assert alive(second)
        pids = running.pids()
    finally:
        running.stop()
    assert running.exit_code() == 0, running.log_end()
    assert not any(alive(pid) for pid in pids)


FORK = """
import os, signal
from backend.run.worker import load_what_jobs_need

load_what_jobs_need()
import torch
assert torch.get_num_threads() == 2
if os.fork() == 0:
    signal.alarm(60)
    torch.ones(2_000_000).mul(2).sum()  # by two threads
    os._exit(0)
print("ended", os.wait()[1])
"""


def test_a_job_may_use_several_threads() -> None:
    """None of the program's own has worked before it forks: the fork would wait for them for ever."""
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "ended 0", done.stderr


@pytest.mark.usefixtures("settings")
def test_a_job_that_a_killed_worker_had_taken_and_not_begun_is_done(redis: Redis) -> None:
    """Also where another one was killed while it cleaned up."""
    queue = connections.named(connections.COMPUTE, redis)
    job = queue.enqueue("os.getcwd", retry=Retry(max=2))
    taken = queue.intermediate_queue
    assert redis.lmove(queue.key, taken.key, "LEFT", "RIGHT")
    redis.set(taken.get_first_seen_key(job.id), time.time() - 3600)
    assert queue.acquire_maintenance_lock()
    assert 0 < redis.ttl(queue.registry_cleaning_key) <= connections.CLEANING_SECONDS
    work_off(connections.COMPUTE)
    assert not job.is_finished
    redis.delete(queue.registry_cleaning_key)  # its time has run out
    work_off(connections.COMPUTE)
    assert job.is_finished
