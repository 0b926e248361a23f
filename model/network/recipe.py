"""How a network is built and trained:
one typed object, the same for every network of a round or an experiment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.errors import RecipeError
from model.options import check_options, option, options_of

CLASSICAL = "unet"
PACKAGED, PACKAGED_WEIGHTS = "efficientnet-lite0", "imagenet"
"""The encoder whose weights are installed, and what they were learnt from."""
LATER: dict[str, Any] = {"encoder_rate": 1.0, "flips": False}
"""Settings that earlier editions did not know, at what they did."""
GONE = {"average"}
"""Settings that earlier editions had, and that say nothing of how a trained network predicts."""
MISSING = object()
MOST_STEPS = 10_000_000
PAPER: dict[str, Any] = {
    **{"encoder": "unet", "encoder_weights": None, "encoder_rate": 1.0, "depth": 4},
    **{"crop": 128, "batch": 4, "steps": 600, "row_steps": 200, "learning_rate": 3e-3, "weight_decay": 1e-2},
    "flips": False,
}
"""The classical U-Net with batch normalisation, from scratch (Grüning et al. 2020, section III).
The paper does not say for how long it learns, nor how fast; these stay, whatever the default becomes.
Width, size of images and precision go with the device and the images, as by default."""
NAMED = {"paper": PAPER}


def read_recipe(value: object) -> dict[str, Any]:
    """The settings of a recipe as people give it: by its name, as an object of some of them, or as an object
    with a "name" and what differs from it. Raises RecipeError."""
    given = {"name": value} if isinstance(value, str) else value
    if not isinstance(given, dict) or ("name" in given and given["name"] not in tuple(NAMED)):
        names = " or ".join(map(repr, NAMED))
        raise RecipeError(f'found {value!r}, expected {names}, or a JSON object such as {{"width": 32}}.')
    differing = {key: each for key, each in given.items() if key != "name"}
    Recipe.from_dict(differing)
    return NAMED.get(given.get("name", ""), {}) | differing


@dataclass(frozen=True)
class Recipe:
    """The settings of a training and of the images that it sees.
    Raises RecipeError for a value out of its range.

    `steps` is for a network on a whole labelled set.
    `row_steps` is for a network on a single pseudo-labelled image (Eq. 2):
    it converges sooner, and a round needs many.
    """

    encoder: str = option(
        CLASSICAL,
        "`unet`, the classical one; `efficientnet-lite0`, which knows photographs and is installed; or an"
        " encoder of segmentation_models_pytorch by its name.",
    )
    encoder_weights: str | None = option(
        None,
        "Its pretrained weights, such as `imagenet`; fetched from the internet. Those of `efficientnet-lite0`"
        " are installed and need not be named.",
    )
    width: int = option(
        16, "Channels of the U-Net at full resolution.", least=1, most=1024, automatic="16, on a GPU 64"
    )  # the paper of the U-Net: 64
    encoder_rate: float = option(
        1.0,
        "The encoder's share of the learning rate. 0: it stays as it is. Below 1: it learns more slowly, and"
        " its batch normalisation stays as it is.",
        least=0,
        most=1,
    )
    depth: int = option(
        4, "How often the U-Net halves its resolution (down-sampling steps).", least=1, most=5
    )
    max_side: int = option(
        512,
        "Longest side in pixels; larger images are shrunk to it.",
        least=32,
        flag="--image-size",
        automatic="512, or more where the objects in the masks would vanish",
    )
    crop: int = option(128, "Side of the square training crops, in pixels.", least=32, most=4096)
    batch: int = option(4, "Crops in each training step.", least=2, most=1024)
    steps: int = option(600, "Steps of a training on all labels.", least=1, most=MOST_STEPS)
    row_steps: int = option(200, "Steps of a training on a single image.", least=1, most=MOST_STEPS)
    learning_rate: float = option(3e-3, "The peak of its one-cycle schedule.", above=0)
    weight_decay: float = option(1e-2, "Weight decay of the optimiser (AdamW).", least=0)
    flips: bool = option(
        False, "Whether masks are the mean of four predictions, of the image and its mirror images."
    )
    precision: str = option(
        "auto", "`float32`, `bfloat16`, or what the hardware has.", choices=("auto", "float32", "bfloat16")
    )

    def __post_init__(self) -> None:
        check_options(self, RecipeError)

    @property
    def pretrained(self) -> str | None:
        """The pretrained weights that a training begins with; those of an installed encoder go without
        saying."""
        installed = PACKAGED_WEIGHTS if self.encoder == PACKAGED else None
        return self.encoder_weights or installed

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready copy. Settings that came later are left out where they change nothing, so that what
        an earlier edition wrote is still the same recipe."""
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if value != LATER.get(name, MISSING)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The recipe of a JSON object; keys left out take the default.
        Raises RecipeError naming unknown keys."""
        unknown = sorted(set(values) - set(options_of(cls)))
        if unknown:
            raise RecipeError(
                f"Unknown recipe settings {', '.join(unknown)}; known are {', '.join(options_of(cls))}."
            )
        return cls(**values)

    @classmethod
    def from_saved(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe that an edition of this program wrote; settings that are gone since are left out.
        Raises RecipeError naming unknown keys."""
        return cls.from_dict({name: value for name, value in values.items() if name not in GONE})

    def replace(self, **changes: Any) -> Recipe:
        """A copy with some settings changed."""
        return dataclasses.replace(self, **changes)
