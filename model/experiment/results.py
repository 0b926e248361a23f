"""The results.json of an experiment: which sets were labelled, and how well networks trained on them did."""

import dataclasses
import json
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from model.errors import ResultsError
from model.files import write_bytes
from model.strategies import default_options, paper_options, strategies

INITIAL = "initial"  # the first labelled set, drawn once per experiment and shared by all its arms
RANDOM = "random"  # the baseline; the only strategy with more than one draw
# the whole pool, trained once per experiment:
# a reference, and the last point of every arm if its size was asked for
WHOLE = "whole"

FALLBACK = (  # note of a step in which the strategy could not work: f_L found nothing in any image
    "chosen_at_random"
)

FORMAT = "experiment-results"
VERSION = 1

Key = tuple[int, str, int, int]
"""Experiment, strategy, draw, size: what names one run."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One labelled set and the scores of the networks trained on it; files are named as in the pool."""

    experiment: int
    strategy: str
    draw: int  # 0 except for `random`, which is repeated
    size: int  # number of labelled images
    chosen: tuple[str, ...]  # the whole labelled set at this size, sorted
    added: tuple[
        str, ...
    ]  # what the strategy asked for in this step, in its order; empty for the initial set
    dice: tuple[float, ...]  # mean test dice of each repeated training on `chosen`, 0 to 1
    worst_dice: tuple[float, ...]  # per repeat: mean dice of the worst fifth of the test images, 0 to 1
    seed: int
    train_seconds: float  # training and scoring of the evaluation networks
    query_seconds: float  # what the strategy spent to choose `added`
    notes: dict[str, float] = dataclasses.field(
        default_factory=dict
    )  # figures of the strategy, e.g. value, upper_bound
    machine: dict[str, Any] = dataclasses.field(
        default_factory=dict
    )  # device, threads and precision of the training; empty: not known

    def __post_init__(self) -> None:
        """Refuse what would spoil a table later: a score that is no number, a set that is not of its size."""
        problems = [
            (self.experiment < 0, "experiment: expected 0 or more"),
            (
                self.draw < 0 or (self.draw > 0 and self.strategy != RANDOM),
                f"draw: expected 0, only '{RANDOM}' is drawn repeatedly",
            ),
            (self.size < 1, "size: expected 1 or more"),
            (
                list(self.chosen) != sorted(set(self.chosen)),
                "chosen: expected sorted names without duplicates",
            ),
            (
                len(self.chosen) != self.size,
                f"chosen: expected as many names as the size, found {len(self.chosen)}",
            ),
            (not set(self.added) <= set(self.chosen), "added: expected a part of chosen"),
            (not self.dice, "dice: expected the score of at least one training"),
            (len(self.dice) != len(self.worst_dice), "worst_dice: expected one score for each of dice"),
            (
                any(not 0.0 <= d <= 1.0 for d in (*self.dice, *self.worst_dice)),
                f"dice: expected 0 to 1, found {self.dice}, {self.worst_dice}",
            ),
            (
                any(not 0.0 <= s < math.inf for s in (self.train_seconds, self.query_seconds)),
                "seconds: expected finite numbers from 0",
            ),
        ]
        for wrong, text in problems:
            if wrong:
                raise ResultsError(f"run {self.key} cannot be kept: {text}")

    @property
    def key(self) -> Key:
        """Experiment, strategy, draw, size."""
        return (self.experiment, self.strategy, self.draw, self.size)

    @property
    def mean_dice(self) -> float:
        """Mean test dice over the repeated trainings, 0 to 1."""
        return math.fsum(self.dice) / len(self.dice)

    @property
    def mean_worst_dice(self) -> float:
        """Mean dice of the worst fifth of the test images over the repeated trainings, 0 to 1."""
        return math.fsum(self.worst_dice) / len(self.worst_dice)

    def as_json(self) -> dict[str, Any]:
        """Give the run as JSON values;
        a note that is not finite becomes text ("inf"), which JSON has no number for."""
        values = dataclasses.asdict(self)
        values["notes"] = {k: v if math.isfinite(v) else str(v) for k, v in self.notes.items()}
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build a run from what as_json gave;
        ResultsError where a field is missing, unknown or of the wrong type."""
        try:
            return cls(
                experiment=int(values["experiment"]),
                strategy=str(values["strategy"]),
                draw=int(values["draw"]),
                size=int(values["size"]),
                chosen=tuple(str(name) for name in values["chosen"]),
                added=tuple(str(name) for name in values["added"]),
                dice=tuple(float(d) for d in values["dice"]),
                worst_dice=tuple(float(d) for d in values["worst_dice"]),
                seed=int(values["seed"]),
                train_seconds=float(values["train_seconds"]),
                query_seconds=float(values["query_seconds"]),
                notes={str(k): float(v) for k, v in values["notes"].items()},
                machine=dict(values.get("machine", {})),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ResultsError(
                f"a run has a missing or unreadable field ({type(error).__name__}: {error})"
            ) from error


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
        """Say whether the run of (experiment, strategy, draw, size) is done, with at least so many repeated
        trainings."""
        return key in self._runs and len(self._runs[key].dice) >= repeats

    def get(self, key: Key) -> Run:
        """Give the run of (experiment, strategy, draw, size); ResultsError where it is not done."""
        if key not in self._runs:
            raise ResultsError(
                f"no run {key} (experiment, strategy, draw, size) among the {len(self._runs)} done; run the"
                " experiment first"
            )
        return self._runs[key]

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "protocol": self.protocol,
            "runs": [run.as_json() for run in self.runs],
        }
        write_bytes(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that save wrote;
        ResultsError where it is missing, half-written or of another program."""
        remedy = "give another folder as --out, or move the file away to start anew"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ResultsError(
                f"no results at {path}; run the experiment first, or name the folder it wrote to"
            ) from error
        except (ValueError, OSError) as error:
            raise ResultsError(
                f"{path} cannot be read as JSON ({error}), it may be half-written; {remedy}"
            ) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ResultsError(
                f"{path} is not the results of an experiment (no 'format': '{FORMAT}'); {remedy}"
            )
        if content.get("version") != VERSION:
            raise ResultsError(
                f"{path} has version {content.get('version')!r}, this program reads version {VERSION};"
                f" {remedy}"
            )
        protocol, runs = content.get("protocol"), content.get("runs")
        if not isinstance(protocol, dict) or not isinstance(runs, list):
            raise ResultsError(f"{path} lacks its protocol or its runs, it may be half-written; {remedy}")
        try:
            return cls(protocol, [Run.from_json(values) for values in runs])
        except ResultsError as error:
            raise ResultsError(f"{path}: {error}; {remedy}") from error

    @classmethod
    def resume(cls, path: Path, protocol: Mapping[str, Any], must_agree: Collection[str]) -> Self:
        """Load the results to go on with, or begin new ones where there is no file yet.

        must_agree names the keys of the protocol that have to be the same; ResultsError tells which are not.
        The other keys may grow:
        a list keeps what it had and gains what is new, an object likewise, a whole number keeps the larger of
        both, anything else takes the asked value.
        Of `options` only those of strategies on both sides have to agree.
        `sizes` may only grow at the end, as each step builds on the one before. Nothing is written.
        """
        if not path.exists():
            return cls(protocol)
        results = cls.load(path)
        asked = _plain(protocol)
        both = set(results.protocol.get("strategies", [])) & set(asked.get("strategies", []))
        check_agreement(
            _with_options_of(both, results.protocol), _with_options_of(both, asked), must_agree, path
        )
        _check_sizes(results.protocol, asked, path)
        results.protocol = {
            key: _grown(results.protocol.get(key), asked.get(key)) for key in {**results.protocol, **asked}
        }
        return results


def check_agreement(
    found: Mapping[str, Any], asked: Mapping[str, Any], must_agree: Collection[str], path: Path
) -> None:
    """Raise ResultsError naming each differing key and both values, if the protocols differ in one of
    must_agree."""
    there = _flat({key: found[key] for key in must_agree if key in found})
    here = _flat({key: asked[key] for key in must_agree if key in asked})
    different = [key for key in sorted({*there, *here}) if there.get(key, _ABSENT) != here.get(key, _ABSENT)]
    if different:
        listed = "; ".join(
            f"{key}: found {_short(there.get(key, _ABSENT))}, asked {_short(here.get(key, _ABSENT))}"
            for key in different
        )
        raise ResultsError(
            f"{path} was made under another protocol ({listed}); give another folder as --out, or delete"
            f" {path} to start anew"
        )


def missing(results: Results) -> list[Key] | None:
    """List the runs that the protocol asks for and that are not done; None where the protocol does not tell.

    Read from the protocol:
    experiments (int), strategies (names), sizes (ints, with or without the initial size), random_draws and
    repeats (int, 1 if absent), initial_size (int;
    if absent, that of the initial runs or the smallest size), pool_size (int;
    if absent, that of the whole-pool runs).
    Where the pool's size is known, the whole pool is one run per experiment and none of the arms.
    """
    protocol = results.protocol
    try:
        experiments, names = (
            range(int(protocol["experiments"])),
            [str(name) for name in protocol["strategies"]],
        )
        sizes, draws = sorted(int(size) for size in protocol["sizes"]), int(protocol.get("random_draws", 1))
        repeats = int(protocol.get("repeats", 1))
        begun = [run.size for run in results.runs if run.strategy == INITIAL]
        first = int(protocol.get("initial_size", (begun or sizes)[0]))
        pools = [run.size for run in results.runs if run.strategy == WHOLE]
        pool = int(protocol.get("pool_size", (pools or [0])[0]))
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    wanted = [(e, INITIAL, 0, first) for e in experiments] + [
        (e, WHOLE, 0, pool) for e in experiments if pool
    ]
    for name in names:
        for draw in range(draws if name == RANDOM else 1):
            wanted += [
                (e, name, draw, size) for e in experiments for size in sizes if size > first and size != pool
            ]
    return [key for key in wanted if not results.has(key, repeats)]


def comparable_runs(results: Results) -> list[Run]:
    """Give all runs with as many repeated trainings as each of them has:
    more are there only while others are still to be done."""
    least = min((len(run.dice) for run in results.runs), default=1)
    return [
        dataclasses.replace(run, dice=run.dice[:least], worst_dice=run.worst_dice[:least])
        for run in results.runs
    ]


def planned_runs(results: Results) -> list[Run]:
    """Give the runs for statistics:
    the comparable ones, less the whole pool where its size is not among those the protocol asks for.

    Else every curve would be drawn out from the last size to the whole pool.
    """
    sizes = results.protocol.get("sizes")
    return [
        run
        for run in comparable_runs(results)
        if run.strategy != WHOLE or not isinstance(sizes, list) or run.size in sizes
    ]


def _check_sizes(found: Mapping[str, Any], asked: Mapping[str, Any], path: Path) -> None:
    """Raise ResultsError where a size would come between, or miss among, those that later sets were built
    on."""
    pool = asked.get("pool_size", found.get("pool_size"))  # the whole pool is the same whatever came before
    there, here = ([size for size in side.get("sizes") or [] if size != pool] for side in (found, asked))
    both = min(len(there), len(here))
    if there[:both] != here[:both]:
        raise ResultsError(
            f"{path} was made with the sizes {_short(there)}, asked {_short(here)}; each set builds on the"
            " one before, so sizes can only be added at the end: ask for such, or give another folder as"
            " --out"
        )


_ABSENT = object()


def _plain(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Give the protocol as JSON has it (tuples as lists), so that a saved and a fresh one compare equal."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(protocol), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ResultsError(
            f"the protocol has a value that JSON cannot keep ({error}); use text, finite numbers, lists and"
            " dicts"
        ) from error
    return plain


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name nested keys with dots, so that a difference is named as narrowly as it is."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _short(value: Any) -> str:
    text = "nothing" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."


def _with_options_of(names: Collection[str], protocol: dict[str, Any]) -> dict[str, Any]:
    """The protocol with the options of some strategies alone;
    an option that it does not tell had its default."""
    told = protocol.get("options", {})
    complete = {
        name: (default_options(name) | paper_options(name) if name in strategies() else {})
        | told.get(name, {})
        for name in names
    }
    return {**protocol, "options": complete}


def _grown(found: Any, asked: Any) -> Any:
    if isinstance(found, dict) and isinstance(asked, dict):
        return found | asked
    if isinstance(found, list) and isinstance(asked, list):
        grown = found + [value for value in asked if value not in found]
        return sorted(grown) if all(type(value) is int for value in grown) else grown
    if type(found) is int and type(asked) is int:
        return max(found, asked)
    return found if asked is None else asked
