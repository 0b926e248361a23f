"""Waiting ends when the job that waits is to stop, whatever it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from backend.errors import CancelledError
from backend.stopping import in_threads, pause, stopped_by, wait_for


def cancelled() -> None:
    raise CancelledError("cancelled")


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """What never comes while a test runs."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("wait", [lambda event: wait_for(event.wait), lambda _: pause(60)])
def test_a_cancelled_job_waits_no_longer(never: threading.Event, wait: Callable[..., object]) -> None:
    with pytest.raises(CancelledError), stopped_by(cancelled):
        wait(never)


def test_what_a_call_returns_or_raises_is_handed_on() -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    with stopped_by(lambda: None):
        assert wait_for(lambda: 7) == 7
        with pytest.raises(TimeoutError, match="its own"):
            wait_for(fail)
    assert wait_for(lambda: 8) == 8


def test_threads_belong_to_the_job(never: threading.Event) -> None:
    """Each of them stops with it; what has not begun when the iterator is closed does not begin."""
    with (
        stopped_by(cancelled),
        closing(in_threads(lambda _: wait_for(never.wait), range(3), 2)) as found,
        pytest.raises(CancelledError),
    ):
        next(found)
    assert list(in_threads(lambda number: number * 2, range(5), 2)) == [0, 2, 4, 6, 8]
