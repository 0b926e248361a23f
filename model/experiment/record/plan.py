"""Which runs an experiment asks for, which of them are missing, and which may be compared."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from model.experiment.record.results import Results
from model.experiment.record.run import INITIAL, RANDOM, WHOLE, Key, Run


def planned_keys(protocol: Mapping[str, Any]) -> list[Key]:
    """The runs that a protocol asks for: by experiment, the initial set and the whole pool first.

    Read from the protocol: experiments, strategies, sizes (with or without the initial one), random_draws (1
    if absent), initial_size (the smallest size if absent), pool_size, or pool_sizes of several splits that
    the experiments take in turn.
    Where the pool's size is known, the whole pool is one run per experiment and none of the arms.
    Raises KeyError, IndexError, TypeError or ValueError where one is missing or of another kind.
    """
    sizes = sorted(int(size) for size in protocol["sizes"])
    first = int(protocol.get("initial_size", sizes[0]))
    pools = [int(size) for size in protocol.get("pool_sizes") or [protocol.get("pool_size", 0)]]
    arms = [
        (str(name), draw)
        for name in protocol["strategies"]
        for draw in range(int(protocol.get("random_draws", 1)) if name == RANDOM else 1)
    ]
    keys: list[Key] = []
    for experiment in range(int(protocol["experiments"])):
        pool = pools[experiment % len(pools)]
        keys += [(experiment, INITIAL, 0, first), *([(experiment, WHOLE, 0, pool)] if pool else [])]
        keys += [(experiment, *arm, size) for arm in arms for size in sizes if size > first and size != pool]
    return keys


def name_split(protocol: Mapping[str, Any]) -> str:
    """How images to choose from and to test on were told apart, in a word or two."""
    if protocol.get("folds"):
        return f"{protocol['folds']} folds"
    return str(protocol.get("split", "no split"))


def missing(results: Results) -> list[Key] | None:
    """The planned runs that are not done with all their repeated trainings; None where the protocol does not
    tell the plan.

    Sizes of the initial set and of the pool that the protocol lacks are those of the runs.
    """
    found = {run.strategy: run.size for run in reversed(results.runs)}
    names = {"initial_size": INITIAL, "pool_size": WHOLE}
    sizes = {key: found[strategy] for key, strategy in names.items() if strategy in found}
    try:
        planned = planned_keys(sizes | results.protocol)
        repeats = int(results.protocol.get("repeats", 1))
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return [key for key in planned if not results.has(key, repeats)]


def comparable_runs(results: Results) -> list[Run]:
    """All runs with as many repeated trainings as each of them has:
    more are there only while others are still to be done."""
    least = min((len(run.dice) for run in results.runs), default=1)
    return [
        dataclasses.replace(run, dice=run.dice[:least], worst_dice=run.worst_dice[:least])
        for run in results.runs
    ]


def planned_runs(results: Results) -> list[Run]:
    """The runs for statistics:
    the comparable ones, less the whole pool where its size is not among those the protocol asks for.

    Else every curve would go on from the last size to the whole pool.
    """
    sizes, runs = results.protocol.get("sizes"), comparable_runs(results)
    return [run for run in runs if run.strategy != WHOLE or not isinstance(sizes, list) or run.size in sizes]
