"""The strategies by name. A new one is one new file here:
a subclass of `Strategy` with a `name`, its options included.

Programs without networks read names and options here, so what loads torch is imported where it is used."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
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
    "describe_default",
    "find_strategy",
    "get_strategy",
    "orders_by_pixels",
    "paper_options",
    "strategies",
    "strategy_names",
    "strategy_options",
]

DEFAULT = "herding"


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


def strategy_options() -> dict[str, tuple[Option, dict[str, Any]]]:
    """The options of all strategies by name as they are declared, each with the default of every strategy
    that takes it, by its name.

    An option means the same in every strategy. Raises StrategyError for one that is declared in two ways.
    """
    found: dict[str, tuple[Option, dict[str, Any]]] = {}
    for name, strategy in strategies().items():
        for own in options_of(strategy).values():
            declared = replace(own, default=own.usual)
            known, takers = found.setdefault(own.name, (declared, {}))
            if declared != known:
                raise StrategyError(
                    f"Strategies {next(iter(takers))} and {name} declare the option {own.name!r}"
                    " differently; give it another name in one of them."
                )
            takers[name] = own.default
    return found


def describe_default(option: Option, takers: Mapping[str, Any]) -> str:
    """The default of an option in words, "false; true for coverage", of a pair of `strategy_options`."""
    words = {name: json.dumps(default).strip('"') for name, default in takers.items()}
    usual = json.dumps(option.default).strip('"')
    others = [f"{word} for {name}" for name, word in words.items() if word != usual]
    return "; ".join([usual, *others])


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
    """The options in which the paper's method is not the default of a strategy; none for an unknown name.
    Networks on single images are of the kind of the `learner`.
    Experiments and rounds of releases that had no other wrote nothing about them."""
    known = strategies()
    return dict(known[name].paper) if name in known and learner == UNET else {}


def orders_by_pixels(name: str, options: Mapping[str, Any]) -> bool:
    """Whether the strategy of that name needs nothing but pixels, see `Strategy.by_pixels`; options of others
    count for nothing. Raises StrategyError for an unknown name or a value that an option does not take."""
    declared = options_of(find_strategy(name))
    return get_strategy(name, **{each: options[each] for each in declared if each in options}).by_pixels


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
