"""What a step costs when it was cut off."""

from pathlib import Path

import pytest

from model.experiment.stopwatch import Stopwatch
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def cut_off(clock: Clock, how: BaseException) -> None:
    """What ends a part after two seconds."""
    clock.now += 2
    raise how


def test_parts_finished_before_a_kill_are_charged_and_the_one_cut_off_is_not(
    tmp_path: Path, clock: Clock
) -> None:
    first = Stopwatch(tmp_path / "seconds.json", "a", clock)
    with first.part("one"):
        clock.now += 4
    with pytest.raises(KeyboardInterrupt), first.part("two"):
        cut_off(clock, KeyboardInterrupt())
    again = Stopwatch(tmp_path / "seconds.json", "a", clock)
    with again.part("one"):
        pass  # found done
    with again.part("two"):
        clock.now += 1
    assert again.total == pytest.approx(5)


def test_a_part_that_fails_has_taken_its_time(tmp_path: Path, clock: Clock) -> None:
    watch = Stopwatch(tmp_path / "seconds.json", "a", clock)
    with pytest.raises(ValueError), watch.part("one"):
        cut_off(clock, ValueError())
    assert watch.total == pytest.approx(2)


@pytest.mark.parametrize(
    "content", ["{half", "[]", '{"of": "b", "seconds": {"one": 100}}', '{"of": "a", "seconds": 3}']
)
def test_seconds_of_something_else_and_half_written_ones_are_not_seen(tmp_path: Path, content: str) -> None:
    (tmp_path / "seconds.json").write_text(content)
    watch = Stopwatch(tmp_path / "seconds.json", "a")
    with watch.part("one"):
        pass
    assert watch.total < 1
