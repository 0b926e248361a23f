"""How far a job is, and how long its step will take."""

from redis import Redis

from backend.queue import progress
from backend.queue.progress import Progress
from tests.clock import Clock


def left_of(redis: Redis) -> float | None:
    (entry,) = progress.running(redis, 7)
    return entry.get("seconds_left")


def test_what_is_left_follows_from_what_was_done_since_the_step_began(redis: Redis) -> None:
    """Not from what was there before, and not from another pass over the same images."""
    clock = Clock()
    report = Progress(redis, 7, "job", "live", clock=clock)
    report("Reading", 10, 20)
    assert left_of(redis) is None
    clock.now = 4
    report("Reading", 12, 20)
    assert left_of(redis) == 16
    clock.now = 20
    report("Reading", 20, 20)
    report("Reading", 1, 20)
    assert left_of(redis) is None
    clock.now = 22
    report("Reading", 3, 20)
    assert left_of(redis) == 17
    clock.now = 23
    report("Writing", 0, 2)
    clock.now = 26
    report("Writing", 1, 2)
    assert left_of(redis) == 3
