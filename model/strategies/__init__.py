"""The strategies by name. A new one is one new file here: a subclass of `Strategy` with a `name`."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from model.errors import StrategyError
from model.strategies.base import Query, Ranking, Strategy

__all__ = ["Query", "Ranking", "Strategy", "get_strategy", "strategy_names"]

DEFAULT = "task_dependent"


def _all_strategies() -> dict[str, type[Strategy]]:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found: dict[str, type[Strategy]] = {}
    remaining = Strategy.__subclasses__()
    while remaining:
        strategy = remaining.pop()
        found[strategy.name] = strategy
        remaining += strategy.__subclasses__()
    return found


def strategy_names() -> tuple[str, ...]:
    """Every strategy's name, in alphabetical order."""
    return tuple(sorted(_all_strategies()))


def get_strategy(name: str, **options: Any) -> Strategy:
    """The strategy of that name with its options. Raises StrategyError for an unknown name or option, naming the known ones."""
    strategies = _all_strategies()
    if name not in strategies:
        raise StrategyError(f"Unknown strategy {name!r}; known are {', '.join(sorted(strategies))}.")
    try:
        return strategies[name](**options)
    except TypeError as error:
        known = ", ".join(strategies[name].options()) or "none"
        raise StrategyError(f"Strategy {name!r} does not take {', '.join(options)}; its options are: {known}.") from error
