"""What a step costs when it was cut off."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from model.experiment.stopwatch import Stopwatch


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        monkeypatch.setattr(
            "model.experiment.stopwatch.time", SimpleNamespace(perf_counter=lambda: self.seconds)
        )

    def cut_off(self, how: BaseException) -> None:
        self.seconds += 2
        raise how


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_parts_finished_before_a_kill_are_charged_and_the_one_cut_off_is_not(
    tmp_path: Path, clock: Clock
) -> None:
    first = Stopwatch(tmp_path / "seconds.json", "a")
    with first.part("one"):
        clock.seconds += 4
    with pytest.raises(KeyboardInterrupt), first.part("two"):
        clock.cut_off(KeyboardInterrupt())
    again = Stopwatch(tmp_path / "seconds.json", "a")
    with again.part("one"):
        pass  # found done
    with again.part("two"):
        clock.seconds += 1
    assert again.total == pytest.approx(5)


def test_a_part_that_fails_has_taken_its_time(tmp_path: Path, clock: Clock) -> None:
    watch = Stopwatch(tmp_path / "seconds.json", "a")
    with pytest.raises(ValueError), watch.part("one"):
        clock.cut_off(ValueError())
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
