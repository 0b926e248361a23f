"""What a step costs, in seconds, also when it was cut off and goes on:
the parts that were finished before are charged as well."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from model.files import write_bytes


class Stopwatch:
    """Seconds by part, kept in a file after each part;
    what an interrupted part had used is not charged, because it is done again."""

    def __init__(self, path: Path, identity: str, clock: Callable[[], float] = time.perf_counter) -> None:
        """`identity` tells what is timed; seconds of something else in the file are not seen."""
        self._clock = clock
        self._path = path
        self._identity = identity
        self._before = _read(path, identity)
        self._seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time one part. Where it was finished before, and now only found again, the longer time counts."""
        started = self._clock()
        try:
            yield
        except Exception:  # it ended, though in vain; an interruption is no Exception
            self._note(name, self._clock() - started)
            raise
        self._note(name, self._clock() - started)

    @property
    def total(self) -> float:
        """Seconds of the parts timed in this run, as long as each took in any run."""
        return round(sum(self._seconds.values()), 2)

    def _note(self, name: str, seconds: float) -> None:
        self._seconds[name] = max(seconds, self._before.get(name, 0.0))
        content = {"of": self._identity, "seconds": {**self._before, **self._seconds}}
        write_bytes(self._path, json.dumps(content, indent=1).encode())


def _read(path: Path, identity: str) -> dict[str, float]:
    try:
        content = json.loads(path.read_text())
        seconds = {str(name): float(value) for name, value in content["seconds"].items()}
        return seconds if content["of"] == identity else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there yet, or half-written
        return {}
