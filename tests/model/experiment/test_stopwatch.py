"""What a step costs when it was cut off."""

import time
from pathlib import Path

import pytest

from model.experiment.stopwatch import Stopwatch


def cut_off(how: BaseException) -> None:
    time.sleep(0.2)
    raise how


def test_parts_finished_before_a_kill_are_charged_and_the_one_cut_off_is_not(tmp_path: Path) -> None:
    first = Stopwatch(tmp_path / "seconds.json", "a")
    with first.part("one"):
        time.sleep(0.2)
    with pytest.raises(KeyboardInterrupt), first.part("two"):
        cut_off(KeyboardInterrupt())
    again = Stopwatch(tmp_path / "seconds.json", "a")
    with again.part("one"):
        pass  # found done
    with again.part("two"):
        time.sleep(0.05)
    assert 0.25 <= again.total < 0.4


def test_a_part_that_fails_has_taken_its_time(tmp_path: Path) -> None:
    watch = Stopwatch(tmp_path / "seconds.json", "a")
    with pytest.raises(ValueError), watch.part("one"):
        cut_off(ValueError())
    assert watch.total >= 0.2


@pytest.mark.parametrize("content", ["{half", "[]", '{"of": "b", "seconds": {"one": 100}}', '{"of": "a", "seconds": 3}'])
def test_seconds_of_something_else_and_half_written_ones_are_not_seen(tmp_path: Path, content: str) -> None:
    (tmp_path / "seconds.json").write_text(content)
    watch = Stopwatch(tmp_path / "seconds.json", "a")
    with watch.part("one"):
        pass
    assert watch.total < 1
