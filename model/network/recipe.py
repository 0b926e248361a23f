"""How a network is built and trained: one typed object, the same for every network of a round or an experiment."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from model.errors import RecipeError

PRECISIONS = ("auto", "float32", "bfloat16")
LOWEST = {"width": 1, "depth": 1, "max_side": 32, "crop": 32, "batch": 2, "steps": 1, "row_steps": 1}
DEEPEST = 5


@dataclass(frozen=True)
class Recipe:
    """The settings of a training and of the images that it sees.

    `steps` is for a network on a whole labelled set; `row_steps` for one on a single pseudo-labelled image (Eq. 2), which converges
    sooner and of which a round needs many.
    """

    encoder: str = "unet"  # the classical U-Net, or any encoder of segmentation_models_pytorch
    encoder_weights: str | None = None  # pretrained weights of the encoder, by the library's name ("imagenet")
    width: int = 16  # channels of the classical U-Net at full resolution (the paper of the U-Net: 64)
    depth: int = 4  # poolings
    max_side: int = 512  # pixels; larger images are shrunk so that their longest side has this length
    crop: int = 128  # pixels; side of the square training crops
    batch: int = 4  # crops a step
    steps: int = 600
    row_steps: int = 200
    learning_rate: float = 3e-3  # the peak of a one-cycle schedule
    weight_decay: float = 1e-2
    precision: str = "auto"  # bfloat16 where the hardware has it, else float32

    def __post_init__(self) -> None:
        for name, lowest in LOWEST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
                raise RecipeError(f"{name}: found {value!r}, expected a whole number of at least {lowest}.")
        if self.depth > DEEPEST:
            raise RecipeError(f"depth: found {self.depth}, expected at most {DEEPEST} poolings.")
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise RecipeError(f"{name}: found {value!r}, expected a number.")
        if not isinstance(self.encoder, str) or not isinstance(self.encoder_weights, str | None):
            raise RecipeError(f"encoder {self.encoder!r}, encoder_weights {self.encoder_weights!r}: expected names.")
        if not self.learning_rate > 0 or self.weight_decay < 0:
            raise RecipeError(f"learning_rate {self.learning_rate}, weight_decay {self.weight_decay}: expected above 0 and at least 0.")
        if self.precision not in PRECISIONS:
            raise RecipeError(f"precision: found {self.precision!r}, expected one of {', '.join(PRECISIONS)}.")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready copy."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The recipe of a JSON object; keys left out take the default. Raises RecipeError naming unknown keys."""
        unknown = sorted(set(values) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise RecipeError(
                f"Unknown recipe settings {', '.join(unknown)}; known are {', '.join(f.name for f in dataclasses.fields(cls))}."
            )
        return cls(**values)

    def replace(self, **changes: Any) -> Recipe:
        """A copy with some settings changed."""
        return dataclasses.replace(self, **changes)
