"""One labelled set of an experiment, and how well networks trained on it did."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from model.errors import ResultsError

INITIAL = "initial"  # the first labelled set, chosen once per experiment and shared by all its arms
RANDOM = "random"  # the baseline; the only strategy that is repeated
WHOLE = "whole"  # the pool, trained once per experiment: a reference, and the last point of every arm

FALLBACK = "chosen_at_random"  # note of a step in which the strategy could not work: f_L found nothing
FORECAST = "forecast"  # note: the dice that the strategy expects once its batch is labelled

Key = tuple[int, str, int, int]
"""Experiment, strategy, draw, size: what names one run."""
Dice = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Run:
    """One labelled set and the scores of the networks trained on it; files are named as in the pool."""

    experiment: Annotated[int, Field(ge=0)]
    strategy: str
    draw: Annotated[int, Field(ge=0)]  # 0 except for `random`, which is repeated
    size: Annotated[int, Field(ge=1)]  # number of labelled images
    chosen: tuple[str, ...]  # the whole labelled set at this size, sorted
    added: tuple[str, ...]  # what the strategy asked for, in its order; empty for the initial set
    dice: Annotated[tuple[Dice, ...], Field(min_length=1)]  # mean test dice of each training on `chosen`
    worst_dice: tuple[Dice, ...]  # of each training: mean dice of the worst fifth of the test images
    seed: int
    train_seconds: Seconds  # training and scoring of the evaluation networks
    query_seconds: Seconds  # what the strategy spent to choose `added`
    notes: dict[str, float] = Field(default_factory=dict)  # the strategy's figures, e.g. value, upper_bound
    machine: dict[str, Any] = Field(default_factory=dict)  # that trained: device, threads, precision

    @model_validator(mode="wrap")
    @classmethod
    def _refuse(cls, values: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        """Raise ResultsError for what would spoil a table later: a score that is no number, a set that is not
        of its size."""
        try:
            run = build(values)
        except ValidationError as error:
            names = [field.name for field in dataclasses.fields(cls)]  # of values given by their position
            by_name = values if isinstance(values, Mapping) else getattr(values, "kwargs", None) or {}
            given = dict(zip(names, getattr(values, "args", ()), strict=False)) | dict(by_name)
            key = tuple(given.get(name) for name in names[:4])
            raise ResultsError(f"run {key} cannot be kept: {describe(error, names)}") from error
        for wrong, text in (
            (run.draw and run.strategy != RANDOM, f"draw: expected 0, only '{RANDOM}' is repeated"),
            (list(run.chosen) != sorted({*run.chosen}), "chosen: expected sorted names without duplicates"),
            (len(run.chosen) != run.size, f"chosen: expected {run.size} names, found {len(run.chosen)}"),
            (not {*run.added} <= {*run.chosen}, "added: expected a part of chosen"),
            (len(run.dice) != len(run.worst_dice), "worst_dice: expected one score for each of dice"),
        ):
            if wrong:
                raise ResultsError(f"run {run.key} cannot be kept: {text}")
        return run

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

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON values; a note that is not finite becomes text, as JSON has no number for it."""
        notes = {name: value if math.isfinite(value) else str(value) for name, value in self.notes.items()}
        return vars(self) | {"notes": notes}


def describe(error: ValidationError, names: Sequence[str] = ()) -> str:
    """What is wrong with the fields, once each, by its name or its place among `names`."""
    problems: dict[str, str] = {}
    for found in error.errors():
        first, *rest = found["loc"] or ("content",)
        name = names[first] if isinstance(first, int) and names else str(first)
        place = ".".join([name, *map(str, rest)])
        problems.setdefault(name, f"{place}: {found['msg']}, found {found['input']!r:.80}")
    return "; ".join(problems.values())
