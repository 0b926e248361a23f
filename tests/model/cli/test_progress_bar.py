"""The time left, by a clock that the tests set."""

import io

import pytest
from rich.console import Console

from model.cli.progress_bar import ProgressBar
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bar(clock: Clock) -> ProgressBar:
    return ProgressBar(Console(file=io.StringIO(), width=200), clock)


def lines(bar: ProgressBar) -> list[str]:
    """What is on the terminal."""
    with bar.console.capture() as shown:
        bar.console.print(bar.get_renderable())
    return shown.get().splitlines()


def test_a_log_tells_each_step_as_it_begins() -> None:
    """It shows no bar before the end."""
    log = io.StringIO()
    bar = ProgressBar(Console(file=log, width=200))
    line = bar.add_task("Reading images", total=None)
    steps = ("Training", "Pseudo-labels")
    for step in (steps[0], *steps):
        bar.report(line, 1, 4, step)
    assert log.getvalue().splitlines() == [f"{step} ..." for step in steps]


def test_the_time_left_is_known_however_long_a_part_takes(bar: ProgressBar, clock: Clock) -> None:
    line = bar.add_task("Trainings", total=None)
    bar.report(line, 0, 4)
    assert "left: -:--:--" in lines(bar)[0]
    clock.now = 600
    bar.report(line, 1, 4)
    assert "1/4" in lines(bar)[0]
    assert "left: 0:30:00" in lines(bar)[0]
    clock.now = 900
    assert "left: 0:25:00" in lines(bar)[0]


def test_what_was_done_before_tells_nothing_of_the_pace(bar: ProgressBar, clock: Clock) -> None:
    line = bar.add_task("Trainings", total=None)
    clock.now = 50
    bar.report(line, 90, 100)
    clock.now = 150
    bar.report(line, 91, 100)
    assert "left: 0:15:00" in lines(bar)[0]


def test_another_step_on_the_same_line_begins_anew(bar: ProgressBar, clock: Clock) -> None:
    line = bar.add_task("", total=None, visible=False)
    assert lines(bar) == []
    bar.report(line, 1, 2, "[a]")
    clock.now = 10
    bar.report(line, 0, 2, "[b]")
    assert "[b]" in lines(bar)[0]
    assert "left: -:--:--" in lines(bar)[0]
