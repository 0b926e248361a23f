"""The options of the commands, each declared once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from model.data.mask_coding import MaskOptions, Meaning
from model.network.device import default_device, default_width
from model.network.recipe import DEEPEST, LOWEST, Recipe
from model.strategies import get_strategy

_defaults = Recipe()

Data = Annotated[Path, typer.Option(help="Folder with images/ and masks/, all labelled.")]
SplitFile = Annotated[Path, typer.Option("--split", help='JSON file {"pool": [file, ...], "test": [file, ...]}.')]
Experiments = Annotated[int, typer.Option(min=1, help="Repetitions with other initial images.")]
Initial = Annotated[int, typer.Option(min=1, help="Images labelled at the start, drawn at random.")]
Sizes = Annotated[str, typer.Option(help="Training-set sizes with commas between.")]
Classes = Annotated[int | None, typer.Option(min=2, max=256, help="Number of classes with the background. Default: read from the masks.")]
MaskNumbers = Annotated[
    Meaning,
    typer.Option("--mask-numbers", help="What numbers in masks mean: classes, or objects, numbered in each mask and all of one class."),
]
InvertMasks = Annotated[
    list[str] | None,
    typer.Option(
        "--invert-masks", help="'all', or the file name of a mask in which background and objects are exchanged; may be repeated."
    ),
]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]
Candidates = Annotated[int, typer.Option(min=1, help="Images of which networks are trained in a round of task_dependent (|K|).")]
TrueMasks = Annotated[
    bool,
    typer.Option("--true-masks", help="task_dependent compares labelled images by their masks, not by what the network finds in them."),
]
CandidatesFromAll = Annotated[
    bool,
    typer.Option("--candidates-from-all", help="task_dependent draws the images of --candidates from all, not only from the unlabelled."),
]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same result.")]

ImageSize = Annotated[
    int | None,
    typer.Option(
        "--image-size",
        min=LOWEST["max_side"],
        help=f"Pixels; images are shrunk so that their longest side has this length. Default: {_defaults.max_side}, or more where the "
        "objects in the masks would vanish.",
    ),
]
Width = Annotated[
    int | None, typer.Option(min=LOWEST["width"], help="Channels of the U-Net at full resolution. Default: 16 on a CPU, 64 on a GPU.")
]
Depth = Annotated[int, typer.Option(min=LOWEST["depth"], max=DEEPEST, help="Poolings of the U-Net.")]
Encoder = Annotated[str, typer.Option(help="'unet' (classical), or any encoder of segmentation_models_pytorch.")]
Weights = Annotated[str | None, typer.Option(help="Pretrained weights of such an encoder, for example 'imagenet'.")]
Crop = Annotated[int, typer.Option(min=LOWEST["crop"], help="Side of the training crops in pixels.")]
Batch = Annotated[int, typer.Option(min=LOWEST["batch"], help="Crops a step.")]
Steps = Annotated[int, typer.Option(min=LOWEST["steps"], help="Training steps of a network on a labelled set.")]
RowSteps = Annotated[int, typer.Option(min=LOWEST["row_steps"], help="Training steps of a network on a single pseudo-labelled image.")]


@dataclass(frozen=True)
class MakeRecipe:
    """A command's parameter that `recipe_options` turns into options; called for the recipe, so that errors in them are explained like its
    others."""

    options: Mapping[str, Any]

    def __call__(self) -> Recipe:
        """The recipe of the options. Raises RecipeError."""
        return make_recipe(**self.options)

    @property
    def fits_objects(self) -> bool:
        """Whether the working size is chosen by the masks."""
        return self.options.get("image_size") is None


def make_recipe(
    image_size: ImageSize = None,
    width: Width = None,
    depth: Depth = _defaults.depth,
    encoder: Encoder = _defaults.encoder,
    encoder_weights: Weights = None,
    crop: Crop = _defaults.crop,
    batch: Batch = _defaults.batch,
    steps: Steps = _defaults.steps,
    row_steps: RowSteps = _defaults.row_steps,
) -> Recipe:
    """The recipe of these options. Raises RecipeError."""
    return Recipe(
        encoder=encoder,
        encoder_weights=encoder_weights,
        width=default_width(default_device()) if width is None else width,
        depth=depth,
        max_side=_defaults.max_side if image_size is None else image_size,
        crop=crop,
        batch=batch,
        steps=steps,
        row_steps=row_steps,
    )


def recipe_options(*, without: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `make_recipe`, less some, in place of its parameter `recipe`."""
    options = [option for name, option in inspect.signature(make_recipe, eval_str=True).parameters.items() if name not in without]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters = dict(inspect.signature(command, eval_str=True).parameters)
        del parameters["recipe"]

        @functools.wraps(command)
        def run(**values: Any) -> None:
            chosen = {option.name: values.pop(option.name) for option in options}
            command(recipe=MakeRecipe(chosen), **values)

        of_recipe = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in options]
        seed = [parameters.pop("seed")] if "seed" in parameters else []
        run.__signature__ = inspect.Signature([*parameters.values(), *of_recipe, *seed])  # type: ignore[attr-defined]
        return run

    return decorate


def strategy_options(strategy: str, candidates: int, true_masks: bool, candidates_from_all: bool) -> dict[str, Any]:
    """Those of the options on the command line that a strategy takes, flags only if set. Raises StrategyError for an unknown name."""
    flags = {"true_masks": true_masks, "candidates_from_all": candidates_from_all}
    given = {"candidates": candidates} | {name: True for name, flag in flags.items() if flag}
    return {name: value for name, value in given.items() if name in get_strategy(strategy).options()}


def mask_options(mask_numbers: Meaning, invert_masks: list[str] | None) -> MaskOptions:
    """What the options of a command say about its masks."""
    return MaskOptions(mask_numbers, tuple(invert_masks or ()))


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Numbers with commas between. Raises typer.BadParameter naming the option."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"found {text!r}, expected numbers with commas between, such as 5,7,12", param_hint=option) from error
