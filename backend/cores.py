"""Work on images by all cores that a job may use.

What a network does with one image is too little to be shared out among cores: two take as long as one.
So each core has an image of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import TypeVar

import torch

from backend.settings import Settings
from backend.stopping import in_threads
from model.network.device import default_device

Item = TypeVar("Item")
T = TypeVar("T")


def each_on_a_core(function: Callable[[Item], T], items: Iterable[Item], settings: Settings) -> Generator[T]:
    """`function` of each item, in order, by as many threads as a job may use; on a GPU by one.

    To be closed early as `in_threads`.
    """
    threads = settings.torch_threads
    if threads == 1 or default_device().type == "cuda":
        yield from map(function, items)
        return

    def work(item: Item) -> T:
        torch.set_num_threads(1)
        return function(item)

    try:
        with closing(in_threads(work, items, threads)) as found:
            yield from found
    finally:
        torch.set_num_threads(threads)
