"""Work on images by all cores that a job may use.

What a network does with one image is too little to be shared out among cores: two take as long as one.
So each core has an image of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial
from typing import TypeVar

import torch

from backend.settings import Settings
from backend.stopping import in_threads
from model.network.device import default_device

MOST = 4
"""Images at once, however many cores there are: each takes some hundred megabytes."""

Item = TypeVar("Item")
T = TypeVar("T")


def each_on_a_core(function: Callable[[Item], T], items: Iterable[Item], settings: Settings) -> Generator[T]:
    """`function` of each item, in order, by as many threads as a job may use, at most MOST, that run on
    ahead; on a GPU by one.

    When the iterator is closed early (`contextlib.closing`), what has not begun does not begin, and the rest
    is waited for: nobody is left with an image in hand.
    """
    threads = min(settings.torch_threads, MOST)
    if threads == 1 or default_device().type == "cuda":
        yield from map(function, items)
        return
    before = torch.get_num_threads()
    one_thread = partial(torch.set_num_threads, 1)
    try:
        with closing(in_threads(function, items, threads, begin=one_thread, wait=True)) as found:
            yield from found
    finally:
        torch.set_num_threads(before)
