"""A limit on guesses at the password: after some wrong ones from one address, answers to further wrong ones
are held back, longer each time.

Only those. A right password is answered at once, whoever else guesses from the same address, which may be
that of a proxy. Keys of Label Studio's connections and webhooks are 256 random bits: nobody guesses them.
No thread waits meanwhile: the answer lies ready, and the server sends it later.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from cachetools import LRUCache

log = logging.getLogger(__name__)

FREE = 10
"""Different wrong passwords of an address that are answered at once, as people mistype."""
REMEMBERED = 50
"""Of an address: the same again is no guess, but a program with an old password."""
FIRST_SECONDS, MOST_SECONDS = 0.25, 2.0
"""How long the answer to the next one is held back, and at most to any after it, doubled in between;
Label Studio waits 3 s for /setup, and is to see what is wrong."""
FORGOTTEN_SECONDS = 600.0
"""After so long without a wrong one, an address begins again."""
MOST_HELD = 4
"""Answers of one address that are held at once; further ones are told to come again later."""
MOST_ADDRESSES = 1000
"""That are remembered, the one used longest ago goes first."""


HOLD = "backend.hold"
"""Entry of a request's environment, where the server can hold an answer back: a function of seconds."""


@dataclass
class _Record:
    wrong: int = 0
    tried: deque[int] = field(default_factory=partial(deque, maxlen=REMEMBERED))  # hashes
    last: float = 0.0
    held_until: list[float] = field(default_factory=list)


class Guesses:
    """Wrong passwords by address. For several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: LRUCache[str, _Record] = LRUCache(MOST_ADDRESSES)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Addresses that are remembered."""
        return len(self._records)

    def note(self, address: str, user: str, password: str) -> float | None:
        """Note a wrong user or password; returns the seconds for which its answer is to be held back,
        None if too many are held."""
        now, key = self._clock(), _network(address)
        with self._lock:
            record = self._records.get(key, _Record())
            if now - record.last > FORGOTTEN_SECONDS:
                record = _Record()
            self._records[key] = record
            record.last, tried = now, hash((user, password))
            if tried in record.tried:
                return 0.0
            record.tried.append(tried)
            record.wrong += 1
            if record.wrong <= FREE:
                return 0.0
            if record.wrong == FREE + 1:
                log.warning("more than %d wrong passwords from %s: further ones are held back", FREE, address)
            record.held_until = [until for until in record.held_until if until > now]
            if len(record.held_until) >= MOST_HELD:
                return None
            seconds = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(record.wrong - FREE - 1, 10))
            record.held_until.append(now + seconds)
            return seconds


def _network(address: str) -> str:
    """An address; of IPv6 the network of 64 bits, whose addresses all belong to one customer."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
