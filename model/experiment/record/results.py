"""The results.json of an experiment: which sets were labelled, and how well networks trained on them did."""

import codecs
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ValidationError

from model.errors import ResultsError
from model.experiment.record.agreement import REMEDY, check_agreement, check_sizes, grow
from model.experiment.record.run import INITIAL, Key, Run, describe
from model.files import write_bytes
from model.similarity.learner import UNET
from model.strategies import default_options, paper_options, strategies


class _File(BaseModel):
    """What results.json holds."""

    format: Literal["experiment-results"]
    version: Literal[1]
    protocol: dict[str, Any]
    runs: list[Run]


class Results:
    """A protocol (JSON values that describe the whole experiment) and the runs done so far under it."""

    def __init__(self, protocol: Mapping[str, Any], runs: Iterable[Run] = ()) -> None:
        self.protocol: dict[str, Any] = _plain(protocol)
        self._runs: dict[Key, Run] = {}
        for run in runs:
            if run.key in self._runs:
                raise ResultsError(
                    f"two runs of the same key (experiment, strategy, draw, size) {run.key}; expected one"
                )
            self._runs[run.key] = run

    @property
    def runs(self) -> list[Run]:
        """The runs in the order of their keys, the initial set of each experiment first."""
        return sorted(
            self._runs.values(),
            key=lambda r: (r.experiment, r.strategy != INITIAL, r.strategy, r.draw, r.size),
        )

    def add(self, run: Run) -> None:
        """Keep a run; one of the same key is replaced."""
        self._runs[run.key] = run

    def has(self, key: Key, repeats: int = 1) -> bool:
        """Whether a run is done, with at least so many repeated trainings."""
        return key in self._runs and len(self._runs[key].dice) >= repeats

    def get(self, key: Key) -> Run:
        """The run of a key; KeyError where it is not done."""
        return self._runs[key]

    def save(self, path: Path) -> None:
        """Write the file whole or not at all, a run on each line."""
        head = {"format": "experiment-results", "version": 1, "protocol": self.protocol, "runs": []}
        lines = ",\n".join(json.dumps(run.to_dict(), allow_nan=False) for run in self.runs)
        before = json.dumps(head, indent=1, allow_nan=False).removesuffix("]\n}")
        write_bytes(path, f"{before}\n{lines}\n]}}\n".encode())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that save wrote;
        ResultsError where it is missing, half-written or of another program."""
        try:
            content = _File.model_validate_json(path.read_bytes().removeprefix(codecs.BOM_UTF8))
            return cls(content.protocol, content.runs)
        except FileNotFoundError as error:
            raise ResultsError(
                f"no results at {path}; run the experiment first, or name the folder it wrote to"
            ) from error
        except ValidationError as error:
            raise ResultsError(
                f"{path} is not the results of an experiment, or half-written ({describe(error)}); {REMEDY}"
            ) from error
        except (OSError, ResultsError) as error:
            raise ResultsError(f"{path} cannot be read: {error}; {REMEDY}") from error

    @classmethod
    def resume(cls, path: Path, protocol: Mapping[str, Any], must_agree: Collection[str]) -> Self:
        """Load the results to go on with, or begin new ones where there is no file yet.

        must_agree names the keys of the protocol that have to be the same; ResultsError tells which are not.
        The other keys may grow. Of `options` only those of strategies on both sides have to agree.
        `sizes` may only grow at the end, as each step builds on the one before. Nothing is written.
        """
        if not path.exists():
            return cls(protocol)
        results = cls.load(path)
        found, asked = results.protocol, _plain(protocol)
        both = set(found.get("strategies", [])) & set(asked.get("strategies", []))
        check_agreement(_with_options_of(both, found), _with_options_of(both, asked), must_agree, path)
        check_sizes(found, asked, path)
        results.protocol = {key: grow(found.get(key), asked.get(key)) for key in {**found, **asked}}
        return results


def _plain(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol as JSON has it (tuples as lists), so that a saved and a fresh one compare equal."""
    try:
        text = json.dumps(dict(protocol), allow_nan=False, ensure_ascii=False)
        return json.loads(text.encode(errors="replace"))  # of a name that is no text in UTF-8
    except (TypeError, ValueError) as error:
        raise ResultsError(
            f"the protocol has a value that JSON cannot keep ({error}); use text, finite numbers, lists and"
            " dicts"
        ) from error


def _with_options_of(names: Collection[str], protocol: dict[str, Any]) -> dict[str, Any]:
    """The protocol with the options of some strategies alone;
    an option that it does not tell had its default, and a learner that it does not tell was the U-Net."""
    told, learner = protocol.get("options", {}), protocol.get("learner", UNET)
    complete = {
        name: (default_options(name) | paper_options(name, learner) if name in strategies() else {})
        | told.get(name, {})
        for name in names
    }
    return {"learner": learner, **protocol, "options": complete}
