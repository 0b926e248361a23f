"""What further labels are expected to bring, by one rule for the status page and for experiments."""

from __future__ import annotations

from collections.abc import Iterable

LITTLE = 0.01
"""Dice: a smaller gain is no reason to label an image for an hour."""


def expected_steps(before: float, expected: Iterable[float | None]) -> list[float]:
    """The expected dice after each further label in the order, until one has none; the best so far, as one
    more label is never expected to do harm.

    before: what is expected now. expected: of each place in the order, once it and those before are labelled.
    """
    steps: list[float] = []
    best = before
    for dice in expected:
        if dice is None:
            break
        best = max(best, float(dice))
        steps.append(best)
    return steps
