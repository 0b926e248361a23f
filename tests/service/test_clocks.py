"""Machines whose clocks differ: a worker's signs of life are times of its own clock."""

from __future__ import annotations

import socket
import time

import pytest
from redis import Redis

from backend.doctor import workers
from backend.finding import Severity
from backend.queue.connection import COMPUTE, CONTROL, named
from backend.queue.heartbeats import CLOCK_MOST, CLOCK_TOLD, alive, seconds_ahead
from backend.run import worker as workers_module
from backend.run.worker import CountedWorker, create_worker
from backend.settings import Settings
from tests.states import read_status

HERE = socket.gethostname()


def machine(settings: Settings, redis: Redis, ahead: float) -> CountedWorker:
    """A worker on a machine whose clock is so many seconds ahead."""
    worker = create_worker(settings, [CONTROL, COMPUTE], redis)
    assert isinstance(worker, CountedWorker)
    worker.clock = lambda: time.time() + ahead
    return worker


def known(worker: CountedWorker) -> CountedWorker:
    """A worker that has given its first sign of life."""
    worker.register_birth()
    worker.heartbeat()
    return worker


@pytest.mark.parametrize("ahead", [0.0, 60.0, -60.0])
def test_the_difference_is_what_the_way_to_redis_does_not_explain(redis: Redis, ahead: float) -> None:
    """Redis on this machine goes by the same clock."""
    assert seconds_ahead(redis, lambda: time.time() + ahead) == pytest.approx(ahead, abs=0.5)
    slow = iter((1e9, 4e9))
    assert seconds_ahead(redis, lambda: next(slow)) == 0


@pytest.mark.parametrize("ahead", [60.0, -60.0])
def test_a_worker_whose_clock_is_wrong_takes_no_job_until_it_is_right(
    settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """Others would take its jobs for those of a killed worker, and it theirs; page and doctor tell."""
    monkeypatch.setattr(workers_module, "CLOCK_SECONDS", 0.05)
    queue = named(COMPUTE, redis)
    job = queue.enqueue("os.getcwd")
    worker = machine(settings, redis, ahead)
    told: list[str] = []

    def clock() -> float:
        if not told:
            told.extend(text for text in read_status(1)["warnings"] if "clock" in text)
            assert queue.job_ids == [job.id]
            assert worker.last_cleaned_at is None
        return time.time() + (0 if told else ahead)

    worker.clock = clock
    worker.work(burst=True, logging_level="WARNING")
    assert job.is_finished
    assert f"The clock of {HERE} is 60 s {'ahead of' if ahead > 0 else 'behind'} that of Redis" in told[0]
    assert worker.last_cleaned_at is not None


def test_a_machine_whose_clock_is_far_behind_is_alive(settings: Settings, redis: Redis) -> None:
    """Its signs of life look old. Those of an earlier release, which tells no difference, are believed."""
    worker = known(machine(settings, redis, -3600))
    redis.hset(worker.key, "last_heartbeat", "2020-01-01T00:00:00.000000Z")
    assert alive(redis).workers == ()
    redis.hset(worker.key, "seconds_ahead", 1577836800 - time.time())
    assert [program.host for program in alive(redis).workers] == [HERE]
    redis.hdel(worker.key, "seconds_ahead")
    redis.hset(worker.key, "last_heartbeat", time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()))
    assert [program.seconds_ahead for program in alive(redis).workers] == [0.0]


@pytest.mark.parametrize(
    ("ahead", "severity"),
    [
        (0.0, Severity.OK),
        (CLOCK_TOLD + 5, Severity.WARNING),
        (-CLOCK_MOST - 5, Severity.ERROR),
    ],
)
def test_the_doctor_names_the_machine(
    settings: Settings, redis: Redis, ahead: float, severity: Severity
) -> None:
    """And the command that keeps its clock right."""
    worker = known(machine(settings, redis, ahead))
    redis.hset(worker.key, "hostname", "elsewhere")
    found = [each for each in workers.check(settings) if each.subject == "clock"]
    assert [each.severity for each in found] == [severity]
    if severity is not Severity.OK:
        assert "The clock of elsewhere is" in found[0].text
        assert found[0].remedy == "timedatectl set-ntp true"
