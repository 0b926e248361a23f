"""Whether more labels are expected to help:
the round's forecast, and the advice that it and what was measured allow."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from backend.store.round_record import Place, RoundRecord
from model.forecast import LITTLE, expected_steps
from model.reason import Measure

RECENT_LABELS = 10
"""The best held-out dice of versions with so many labels more than earlier ones is compared with the best of
those."""
RECENT_SUBMITS = 10
HARDLY_CORRECTED = 0.95
"""Median agreement of the last submits above which annotators mostly accept what is drawn."""
STEPS_SHOWN = 30


@dataclass(frozen=True)
class Forecast:
    """The expected dice that the order raises, of the worst image (Eq. 3) or of another measure:
    now, and after each further label in the order of the round.

    An expectation from comparing images with each other;
    useful for what a label brings, no promise of a dice.
    """

    before: float
    after: float  # the batch
    batch: int
    steps: tuple[tuple[int, float], ...]  # (task, expected dice once it and those before it are labelled)
    measure: Measure = Measure.WORST

    @property
    def gain(self) -> float:
        """What the batch is expected to bring."""
        return self.after - self.before


def forecast(record: RoundRecord) -> Forecast | None:
    """The forecast in a round's record; None for a cold start and for strategies that make none."""
    measure = Measure.of_notes(record.notes)
    before = record.notes[measure.note] if measure else None
    if measure is None or before is None or record.cold_start:
        return None
    expected = (record.queries.get(task, Place()).expected_dice for task in record.order)
    after = expected_steps(float(before), expected)
    steps = [(int(task), dice) for task, dice in zip(record.order, after, strict=False)]
    batch = min(len(set(record.batch) & set(record.order)), len(steps))
    if not batch:
        return None
    return Forecast(float(before), steps[batch - 1][1], batch, tuple(steps[:STEPS_SHOWN]), measure)


class Verdict(StrEnum):
    """What the advice comes to."""

    EARLY = "too early to tell"
    LABEL = "label on"
    LOOK = "label one more batch, then look again"
    ENOUGH = "more labels are not expected to help"


@dataclass(frozen=True)
class Advice:
    """What to do, and the figures it rests on."""

    verdict: Verdict
    reasons: tuple[str, ...]


def advise(
    expected: Forecast | None, measured: Sequence[tuple[int, float]], agreements: Sequence[float]
) -> Advice:
    """Weigh the forecast, the held-out dice measured, as (labels, dice) of each version, and the agreements
    of the submits, oldest first.

    The forecast is flat when the batch is expected to raise the expected dice by less than 0.01;
    the learning curve is flat when the best held-out dice with the last 10 labels is less than 0.01 above the
    best before them. Both flat: enough. One flat: one more batch.
    A curve that falls tells of harder images or of a wrong label, and never to stop.
    A flat curve decides alone, for strategies that make no forecast; a flat forecast does not.
    Without either it is too early.
    """
    reasons = []
    rise = recent_rise(measured)
    if expected is not None:
        reasons.append(
            f"This batch is expected to change the {expected.measure.words} from {expected.before:.2f} to"
            f" {expected.after:.2f} ({expected.gain:+.3f})."
        )
    if rise is not None:
        reasons.append(f"The last {RECENT_LABELS} labels changed the best held-out dice by {rise:+.3f}.")
        if rise <= -LITTLE:
            reasons.append("It fell: the last labels are of harder images, or one of them is wrong.")
    elif measured:
        reasons.append(
            f"Held-out dice is compared once there are {RECENT_LABELS} labels more than at its first"
            " measurement."
        )
    if len(agreements) >= RECENT_SUBMITS:
        median = statistics.median(agreements[-RECENT_SUBMITS:])
        if median >= HARDLY_CORRECTED:
            reasons.append(
                f"Annotators hardly change the masks any more (median dice {median:.2f} of the last"
                f" {RECENT_SUBMITS} labels that changed something)."
            )
    flat = [gain < LITTLE for gain in (expected.gain if expected else None, rise) if gain is not None]
    if not flat:
        return Advice(Verdict.EARLY, tuple(reasons))
    if not any(flat):
        return Advice(Verdict.LABEL, tuple(reasons))
    if all(flat) and rise is not None and rise > -LITTLE:
        return Advice(Verdict.ENOUGH, tuple(reasons))
    return Advice(Verdict.LOOK, tuple(reasons))


def recent_rise(measured: Sequence[tuple[int, float]]) -> float | None:
    """How much the last labels raised the best held-out dice; None while there are too few."""
    most = max((labels for labels, _ in measured), default=0)
    before = [dice for labels, dice in measured if labels <= most - RECENT_LABELS]
    since = [dice for labels, dice in measured if labels > most - RECENT_LABELS]
    return max(since) - max(before) if before and since else None
