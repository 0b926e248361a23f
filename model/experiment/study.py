"""A study of many parts that goes on where an earlier call ended: a file of its settings and its results."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from model.errors import ResultsError
from model.experiment.processes import results_of
from model.experiment.record.agreement import REMEDY, check_agreement
from model.experiment.record.run import describe
from model.files import check_writable, only_writer, write_bytes


class Study:
    """Work of many parts, each kept by its name in a JSON file as soon as it is done."""

    @classmethod
    @contextmanager
    def open(cls, path: Path, settings: dict[str, Any], part: str, kind: Any) -> Iterator[Self]:
        """What is finished, under the key `part`, of the type `kind`; nobody else writes there meanwhile.

        Raises OutputError, and ResultsError when the file cannot be read or was made under other settings;
        it is left as it is.
        """
        check_writable(path)
        with only_writer(path):
            yield cls(path, settings, part, kind)

    def __init__(self, path: Path, settings: dict[str, Any], part: str, kind: Any) -> None:
        """See open."""
        self._path, self._settings, self._part = path, settings, part
        self.finished: dict[str, Any] = {}
        if path.exists():
            try:
                content = json.loads(path.read_text())
                stored = dict(content["settings"])
                self.finished = TypeAdapter(kind).validate_python(content[part], strict=True)
            except ValidationError as error:
                raise ResultsError(f"{path} cannot be read ({part}: {describe(error)}); {REMEDY}") from error
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ResultsError(f"{path} cannot be read ({error!r}); {REMEDY}") from error
            check_agreement(stored, settings, stored.keys() | settings.keys(), path)

    def finish(
        self,
        jobs: int,
        function: Callable[..., Any],
        units: Mapping[str, tuple[Any, ...]],
        on_done: Callable[[int, int], None],
    ) -> dict[str, Any]:
        """Have `jobs` processes do function(*unit) for the units that are not done yet; give all results."""
        todo = {name: unit for name, unit in units.items() if name not in self.finished}
        on_done(len(units) - len(todo), len(units))
        with closing(results_of(jobs, function, lambda: todo)) as results:
            for name, result in results:
                del todo[name]
                self.finished[name] = result
                content = {"settings": self._settings, self._part: self.finished}
                write_bytes(self._path, json.dumps(content).encode())
                on_done(len(units) - len(todo), len(units))
        return self.finished
