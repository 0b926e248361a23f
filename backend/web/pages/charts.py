"""Geometry of the charts: figures to points in a drawing of fixed size, which the page scales."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 560.0, 246.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 14.0, 14.0, 42.0
SPAN = 0.2
"""Dice: smallest range of the vertical axis, so that noise does not look like progress."""
TEXT = 34.0
"""Room for the text of a bound."""
WINDOW = 10
"""Values of the running median."""
MOST_TICKS = 7
"""On the axis of whole numbers."""


@dataclass(frozen=True)
class Mark:
    """One value: where it is drawn, what it says, and what kind it is (for its shape and colour)."""

    x: float
    y: float
    text: str
    kind: str = ""


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A drawing of WIDTH x HEIGHT."""

    marks: tuple[Mark, ...]
    line: str  # points of a polyline
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bounds: tuple[Tick, ...] = ()  # places on the horizontal axis where something changes
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Value:
    """A value to draw; `joined` ones lie on the line."""

    x: float
    y: float
    text: str
    kind: str = ""
    joined: bool = True


def chart(
    values: Sequence[Value],
    *,
    line: Callable[[Sequence[float]], Sequence[float]] = list,
    bounds: Sequence[tuple[float, str]] = (),
) -> Chart:
    """Draw values of dice over something counted; the `line` joins what it makes of their heights.
    At least one value."""
    x_low, x_high = min(value.x for value in values), max(value.x for value in values)
    if x_low == x_high:
        x_low, x_high = max(0.0, x_low - 1), x_high + 1
    y_low, y_high = dice_range([value.y for value in values])

    def across(x: float) -> float:
        return round(LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT), 1)

    def up(y: float) -> float:
        return round(HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - BOTTOM - TOP), 1)

    joined = sorted((value for value in values if value.joined), key=lambda value: value.x)
    heights = line([value.y for value in joined])
    points = " ".join(
        f"{across(value.x)},{up(height)}" for value, height in zip(joined, heights, strict=True)
    )
    steps = round((y_high - y_low) / 0.1)
    every = 1 if steps <= 5 else 2
    return Chart(
        tuple(Mark(across(value.x), up(value.y), value.text, value.kind) for value in values),
        points if len(joined) > 1 else "",
        tuple(Tick(across(x), f"{x:g}") for x in whole_ticks(x_low, x_high)),
        tuple(
            Tick(up(y_low + step * 0.1), f"{y_low + step * 0.1:.1f}") for step in range(0, steps + 1, every)
        ),
        _legible([Tick(across(x), text) for x, text in bounds]),
    )


def _legible(ticks: Sequence[Tick]) -> tuple[Tick, ...]:
    """The ticks, the text left out where it would run into that of the one before."""
    shown: list[Tick] = []
    last = -math.inf
    for tick in ticks:
        fits = tick.at - last >= TEXT
        shown.append(tick if fits else Tick(tick.at, ""))
        last = tick.at if fits else last
    return tuple(shown)


def dice_range(values: Sequence[float]) -> tuple[float, float]:
    """A range of whole tenths within [0, 1] that holds all values, at least SPAN wide."""
    low, high = math.floor(round(min(values) * 10, 6)) / 10, math.ceil(round(max(values) * 10, 6)) / 10
    high = min(1.0, max(high, low + SPAN))
    return round(max(0.0, min(low, high - SPAN)), 1), round(high, 1)


def whole_ticks(low: float, high: float) -> list[int]:
    """Whole numbers in a range at equal round steps, at most MOST_TICKS."""
    for step in (scale * base for scale in (1, 10, 100, 1000, 10_000, 100_000) for base in (1, 2, 5)):
        found = list(range(math.ceil(low / step) * step, math.floor(high) + 1, step))
        if len(found) <= MOST_TICKS:
            return found
    return []


def best_so_far(values: Sequence[float]) -> list[float]:
    """The largest of each value and those before it."""
    return list(itertools.accumulate(values, max))


def running_median(values: Sequence[float]) -> list[float]:
    """The median of each value and up to WINDOW - 1 before it."""
    return [statistics.median(values[max(0, index - WINDOW + 1) : index + 1]) for index in range(len(values))]
