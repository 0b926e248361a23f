"""Options that are declared once, as the fields of a dataclass:
their type and default, what they mean, which values they take.

The command line, the settings of a project, the dialog in Label Studio and the tables of docs/settings.md are
all made from this.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_SEED = 2**63 - 1
"""The networks of an experiment take seeds a little above the given one; torch takes less than 2**64."""
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class Option:
    """One declared option."""

    name: str
    kind: type  # a key of KINDS
    default: Any
    help: str  # a sentence or two for people
    least: float | None = None
    most: float | None = None
    above: float | None = None  # the value is larger than this
    choices: tuple[str, ...] = ()
    optional: bool = False  # None is a value
    automatic: str = ""  # what the command line takes where nothing is said, in words; empty: the default
    only_with: tuple[str, Any] | None = None  # another option, and its value without which this means nothing
    flag: str = ""  # on the command line, where it is not made from the name
    usual: Any = None  # the default where it is declared; that of a child may be another

    @property
    def expected(self) -> str:
        """The values that it takes, in words: "a whole number from 1 to 5"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        words = KINDS[self.kind]
        if self.least is not None and self.most is not None:
            words += f" from {_plain(self.least)} to {_plain(self.most)}"
        elif self.least is not None:
            words += f" of at least {_plain(self.least)}"
        if self.above is not None:
            words += f" above {_plain(self.above)}"
        return f"{words}, or nothing" if self.optional else words

    def check(self, value: Any) -> None:
        """Raise ValueError, naming the option, for a value that it does not take."""
        if not self._takes(value):
            raise ValueError(f"{self.name}: found {value!r}, expected {self.expected}.")

    def _takes(self, value: Any) -> bool:
        if value is None:
            return self.optional
        kinds = (int, float) if self.kind is float else (self.kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and self.kind is not bool):
            return False
        if self.choices and value not in self.choices:
            return False
        if not isinstance(value, int | float):
            return True
        if isinstance(value, float) and not math.isfinite(value):
            return False
        high_enough = (self.least is None or value >= self.least) and (
            self.above is None or value > self.above
        )
        return high_enough and (self.most is None or value <= self.most)


def _plain(number: float) -> str:
    """Never as 1e+07."""
    return str(number) if isinstance(number, int) else f"{number:g}"


def option(default: Any, help: str, **limits: Any) -> Any:
    """The field of a dataclass that declares an option; `limits` are other fields of `Option`."""
    return dataclasses.field(default=default, metadata={"help": help, **limits})


def options_of(declaring: type) -> Mapping[str, Option]:
    """The options that a dataclass declares or inherits, by name, those of its parents first.

    A child may give an option of its parent another default, `mutual: bool = True`, and nothing else.
    """
    types_ = typing.get_type_hints(declaring)
    found = {}
    for each in dataclasses.fields(declaring):
        declared = _declaration(declaring, each)
        if "help" in declared.metadata:
            kind = types_[each.name]
            members = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
            (plain,) = set(members) - {type(None)}
            found[each.name] = Option(
                each.name,
                plain,
                each.default,
                optional=len(members) > 1,
                usual=declared.default,
                **declared.metadata,
            )
    return types.MappingProxyType(found)


def _declaration(declaring: type, field: dataclasses.Field[Any]) -> dataclasses.Field[Any]:
    """The field of the nearest parent that says what an option means; the field itself where none does."""
    for parent in declaring.__mro__:
        found: dataclasses.Field[Any] | None = getattr(parent, "__dataclass_fields__", {}).get(field.name)
        if found is not None and "help" in found.metadata:
            return found
    return field


def check_options(declaring: Any, error: type[Exception]) -> None:
    """Raise `error` for the first option of a dataclass that has a value which it does not take."""
    for name, declared in options_of(type(declaring)).items():
        try:
            declared.check(getattr(declaring, name))
        except ValueError as wrong:
            raise error(str(wrong)) from wrong
