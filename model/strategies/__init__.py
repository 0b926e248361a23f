"""The strategies by name. A new one is one new file here:
a subclass of `Strategy` with a `name`, its options included.

Programs without networks read names and options here, so what loads torch is imported where it is used."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from model.errors import StrategyError
from model.options import Option, options_of
from model.similarity.learner import UNET
from model.strategies.base import Query, Ranking, Strategy

__all__ = [
    "Query",
    "Ranking",
    "Strategy",
    "default_options",
    "find_strategy",
    "get_strategy",
    "paper_options",
    "strategies",
    "strategy_names",
    "strategy_options",
]

DEFAULT = "task_dependent"
PAPER = {"similarity": UNET}
"""Options with which strategies are the paper's; experiments and rounds of releases that had no other wrote
nothing about them."""


def strategies() -> Mapping[str, type[Strategy]]:
    """Every strategy of this package by name, in alphabetical order."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found: dict[str, type[Strategy]] = {}
    remaining = Strategy.__subclasses__()
    while remaining:
        strategy = remaining.pop()
        found[strategy.name] = strategy
        remaining += strategy.__subclasses__()
    return MappingProxyType(dict(sorted(found.items())))


def strategy_names() -> tuple[str, ...]:
    """Every strategy's name, in alphabetical order."""
    return tuple(strategies())


def strategy_options() -> dict[str, tuple[Option, tuple[str, ...]]]:
    """The options of all strategies by name, each with the names of the strategies that take it.

    An option means the same in every strategy. Raises StrategyError for one that is declared in two ways.
    """
    found: dict[str, tuple[Option, tuple[str, ...]]] = {}
    for name, strategy in strategies().items():
        for declared in options_of(strategy).values():
            known, takers = found.get(declared.name, (declared, ()))
            if declared != known:
                raise StrategyError(
                    f"Strategies {takers[0]} and {name} declare the option {declared.name!r} differently; "
                    "give it another name in one of them."
                )
            found[declared.name] = known, (*takers, name)
    return found


def find_strategy(name: str) -> type[Strategy]:
    """The strategy of that name. Raises StrategyError for an unknown one, naming the known ones."""
    known = strategies()
    if name not in known:
        raise StrategyError(f"Unknown strategy {name!r}; known are {', '.join(known)}.")
    return known[name]


def default_options(name: str) -> dict[str, Any]:
    """The options of a strategy at their defaults. Raises StrategyError for an unknown name."""
    return {option.name: option.default for option in options_of(find_strategy(name)).values()}


def paper_options(name: str, learner: str = UNET) -> dict[str, Any]:
    """The options in which the paper's method is not the default here, and that a strategy takes;
    none for an unknown name. Networks on single images are of the kind of the `learner`."""
    known, paper = strategies(), PAPER | {"similarity": learner}
    return {each: value for each, value in paper.items() if name in known and each in options_of(known[name])}


def get_strategy(name: str, **options: Any) -> Strategy:
    """The strategy of that name with its options.
    Raises StrategyError for an unknown name or option, naming the known ones."""
    strategy = find_strategy(name)
    declared = options_of(strategy)
    unknown = [option for option in options if option not in declared]
    if unknown:
        raise StrategyError(
            f"Strategy {name!r} does not take {', '.join(unknown)}; its options are:"
            f" {', '.join(declared) or 'none'}."
        )
    return strategy(**options)
