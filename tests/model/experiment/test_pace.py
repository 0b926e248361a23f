"""Work that may take a share of the time."""

from contextlib import suppress

from model.experiment.pace import Pace


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_work_takes_no_more_than_its_share_and_none_is_lost() -> None:
    """It is done at each asking while that is cheap, and what was put off at the end, whatever ended it."""
    clock, done, cost = Clock(), [], 0.0

    def work() -> None:
        clock.now += cost
        done.append(clock.now)

    with suppress(KeyboardInterrupt), Pace(0.1, work, clock) as pace:
        for _ in range(3):
            clock.now += 5
            pace.ask()
        assert done == [5, 10, 15]
        cost = 2.0
        for _ in range(8):
            clock.now += 5
            pace.ask()
        assert done == [5, 10, 15, 22, 44]
        raise KeyboardInterrupt
    assert done == [5, 10, 15, 22, 44, 61]


def test_nothing_is_done_at_the_end_where_nothing_was_put_off() -> None:
    done: list[int] = []
    with Pace(0.1, lambda: done.append(1)) as pace:
        pace.ask()
    assert done == [1]
