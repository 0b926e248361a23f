"""The process that starts what happens by itself."""

import signal

import pytest
from redis import Redis
from rq.cron import CronScheduler
from rq.exceptions import StopRequested

from backend.jobs.schedule import create_scheduler
from backend.settings import Settings


def test_a_second_signal_does_not_disturb_the_end(redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in a terminal, then the supervisor: rq would raise anew wherever the end has got to, and leave a traceback in the log."""
    scheduler = create_scheduler(redis, settings)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    looks: list[str] = []

    def asked_to_end() -> list[object]:
        looks.append("look")
        signal.raise_signal(signal.SIGTERM)
        return []

    def asked_again() -> None:
        looks.append("end")
        for number in before:
            signal.raise_signal(number)
        CronScheduler.register_death(scheduler)

    monkeypatch.setattr(scheduler, "enqueue_jobs", asked_to_end)
    monkeypatch.setattr(scheduler, "register_death", asked_again)
    try:
        scheduler.start()
        for number in before:
            signal.raise_signal(number)
    except StopRequested:
        pytest.fail("a signal was an error after the first one")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert looks == ["look", "end"]
    assert not CronScheduler.all(redis)
