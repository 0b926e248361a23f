"""Images are worked on by all cores of a job, each by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import torch

from backend.cores import each_on_a_core
from backend.settings import read_settings
from tests.waiting import PATIENCE


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """Other tests have one."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_two_images_at_once_on_two_cores_in_their_order() -> None:
    """A network with a core to itself does not share its work out."""
    torch.set_num_threads(2)
    met = threading.Barrier(2, timeout=PATIENCE)

    def work(item: int) -> tuple[int, int]:
        met.wait()
        return item, torch.get_num_threads()

    found = list(each_on_a_core(work, range(4), read_settings(threads=2)))
    assert found == [(item, 1) for item in range(4)]
    assert torch.get_num_threads() == 2


def test_one_core_works_on_one_image_after_the_other() -> None:
    """Nothing is begun before it is asked for."""
    begun: list[int] = []
    with closing(each_on_a_core(begun.append, range(5), read_settings(threads=1))) as found:
        next(found)
        next(found)
    assert begun == [0, 1]


def test_closed_early_no_other_begins_and_none_is_left_at_work() -> None:
    """Where the job was cancelled: an image that nobody waited for would stay noted as in hand."""
    begun: list[int] = []
    ended: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        if item >= 2:
            time.sleep(0.3)
        ended.append(item)

    with closing(each_on_a_core(work, range(50), read_settings(threads=2))) as found:
        next(found)
        next(found)
    assert len(begun) <= 4
    assert sorted(ended) == sorted(begun)
