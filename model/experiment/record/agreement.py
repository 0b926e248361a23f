"""Going on where an earlier call ended: what has to agree with it, and what may grow."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from model.errors import ProtocolError, ResultsError

REMEDY = "give another folder as --out, or to the command that reads it; this one stays as it is"
_ABSENT = object()


def check_agreement(
    found: Mapping[str, Any], asked: Mapping[str, Any], must_agree: Collection[str], path: Path
) -> None:
    """Raise ProtocolError naming each differing key and both values, where two protocols differ in one of
    must_agree."""
    there, here = (flatten({key: side[key] for key in must_agree if key in side}) for side in (found, asked))
    pairs = {key: (there.get(key, _ABSENT), here.get(key, _ABSENT)) for key in sorted({*there, *here})}
    different = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
    if different:
        told = "; ".join(f"{key}: found {_show(a)}, asked {_show(b)}" for key, (a, b) in different.items())
        raise ProtocolError(
            f"{path} was made under another protocol ({told}); {REMEDY}",
            different={key: (there.get(key), here.get(key)) for key in different},
        )


def check_sizes(found: Mapping[str, Any], asked: Mapping[str, Any], path: Path) -> None:
    """Raise ResultsError where a size would come between, or miss among, those that later sets were built
    on."""
    pool = asked.get("pool_size", found.get("pool_size"))  # the whole pool is the same whatever came before
    there, here = ([size for size in side.get("sizes") or [] if size != pool] for side in (found, asked))
    if any(a != b for a, b in zip(there, here, strict=False)):
        raise ResultsError(
            f"{path} was made with the sizes {_show(there)}, asked {_show(here)}; each set builds on the one"
            f" before, so sizes can only be added at the end. Ask for such, or {REMEDY}"
        )


def grow(found: Any, asked: Any) -> Any:
    """A setting that may grow: a list keeps what it had and gains what is new, an object likewise,
    a whole number keeps the larger of both, anything else takes the asked value."""
    if isinstance(found, dict) and isinstance(asked, dict):
        return found | asked
    if isinstance(found, list) and isinstance(asked, list):
        grown = found + [value for value in asked if value not in found]
        return sorted(grown) if all(type(value) is int for value in grown) else grown
    if type(found) is int and type(asked) is int:
        return max(found, asked)
    return found if asked is None else asked


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys with dots, so that a setting is named as narrowly as it is."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, dict) and value
        flat |= flatten(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


def _show(value: Any) -> str:
    text = "nothing" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."
