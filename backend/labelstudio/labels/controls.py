"""The controls of a labelling configuration: which tools there are to draw with, and what each means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """A control's kind; the value is the `type` of its regions and the key of their labels."""

    BRUSH = "brushlabels"
    POLYGON = "polygonlabels"
    ELLIPSE = "ellipselabels"
    RECTANGLE = "rectanglelabels"
    BITMASK = "bitmasklabels"

    @property
    def tag(self) -> str:
        """The control's tag in the configuration, as people write it."""
        return f"{self.value.removesuffix('labels').capitalize()}Labels"


WRITERS = (Kind.BRUSH, Kind.POLYGON)
"""Who draws masks."""
OUTLINES = (Kind.BRUSH, Kind.POLYGON, Kind.BITMASK, Kind.ELLIPSE)
"""Whose regions follow an object's outline. A box does so only where nothing better can draw its label."""


@dataclass(frozen=True)
class Control:
    """One drawing tool on the image:
    its name (`from_name` of its regions), kind and labels in the order of the configuration."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    smart: bool = False  # asks an interactive model: its boxes and ellipses are prompts

    def __str__(self) -> str:
        return f"{self.kind.tag} {self.name!r}"


def teaches(kind: Kind, smart: bool, label: str, controls: Sequence[Control]) -> bool:
    """Whether regions of a kind, of a smart control or another one, mean the pixels of a label beside these
    controls; see `LabelConfig.teaches`."""
    if kind in (Kind.BRUSH, Kind.POLYGON, Kind.BITMASK):
        return True
    if smart:
        return False
    return kind is Kind.ELLIPSE or not any(
        control.kind in OUTLINES
        and label in control.labels
        and not (control.smart and control.kind is Kind.ELLIPSE)
        for control in controls
    )


def list_controls(controls: Sequence[Control]) -> str:
    """Controls as people know them, with commas."""
    return ", ".join(map(str, controls))
