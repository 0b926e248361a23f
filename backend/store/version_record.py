"""The record of a version: how it came about, and what it would take to repeat it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Learner(StrEnum):
    """What a version is."""

    UNET = "unet"
    PIXEL = "pixel"

    @property
    def noun(self) -> str:
        """As people call it."""
        return "U-Net" if self is Learner.UNET else "pixel classifier"

    @property
    def other(self) -> Learner:
        """The other one of the two."""
        return Learner.PIXEL if self is Learner.UNET else Learner.UNET


@dataclass(frozen=True)
class VersionRecord:
    """How a version came about, and what it would take to repeat it.
    Task ids are text because JSON keys are."""

    name: str
    job: str  # a job that runs twice recognises its own version
    created: str  # ISO 8601, UTC
    labels: tuple[str, ...]  # names of the classes 1, 2, ...
    tasks: dict[str, str]  # task id to a digest of its label
    seed: int
    recipe: Mapping[str, object]
    folds: dict[str, int] = field(default_factory=dict)  # task id to the fold that held it out
    held_out: dict[str, float] = field(
        default_factory=dict
    )  # task id to the dice of the network that did not see it
    held_out_dice: float | None = None  # the mean of these, without the undecisive
    present: dict[str, list[int]] = field(
        default_factory=dict
    )  # task id to the class ids that its label holds; empty in early records
    undecisive: tuple[str, ...] = ()  # task ids whose label a model that has learnt nothing may meet exactly
    seconds: float = 0.0
    published: bool = True  # became current when it was made
    reason: str = ""  # why, or why not
    warnings: tuple[str, ...] = ()
    kind: Learner = Learner.UNET  # also of early records, which do not say it

    def to_dict(self) -> dict[str, object]:
        """A JSON-ready copy."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VersionRecord:
        """The record of a JSON object; keys of later editions are passed over."""
        known = {option.name for option in dataclasses.fields(cls)}
        content = {key: value for key, value in values.items() if key in known}
        tuples = {name: tuple(content.get(name, ())) for name in ("undecisive", "warnings")}
        kind = Learner(content.get("kind", Learner.UNET))
        return cls(**{**content, **tuples, "labels": tuple(content["labels"]), "kind": kind})

    def same_training(self, other: VersionRecord) -> bool:
        """Whether both learnt the same from the same labels, so that one is no news after the other."""
        return (
            self.kind is other.kind
            and self.tasks == other.tasks
            and self.labels == other.labels
            and self.seed == other.seed
            and trained_by(self.recipe) == trained_by(other.recipe)
        )


def trained_by(recipe: Mapping[str, object]) -> dict[str, object]:
    """What of a recipe makes the model: without the steps of a round's rows, and the device's precision."""
    return {**recipe, "row_steps": 0, "precision": ""}
