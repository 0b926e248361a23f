"""The options of the commands, each declared once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from model.data.masks.coding import MaskOptions, Meaning
from model.network.device import default_device, default_width
from model.network.recipe import NAMED, Recipe
from model.options import MOST_SEED, Option, options_of
from model.strategies import default_options, describe_default, paper_options, strategy_options


def given_path(text: str | Path) -> Path:
    """The path that an option says. Raises typer.BadParameter for no text, which would be the current folder:
    a variable of the shell that is not set leaves it."""
    if not str(text).strip():
        raise typer.BadParameter(
            "found an empty path, expected a file or folder; is a variable of the shell not set? The current"
            " folder is '.'."
        )
    return Path(text)


path_option: Callable[..., Any] = functools.partial(typer.Option, parser=given_path, metavar="<path>")
"""As typer.Option, for a path."""

Data = Annotated[Path, path_option(help="Folder with images/ and masks/, all labelled.")]
SplitFile = Annotated[
    Path, path_option("--split", help='JSON file {"pool": [file, ...], "test": [file, ...]}.')
]
Experiments = Annotated[int, typer.Option(min=1, help="Repetitions with other initial images.")]
Initial = Annotated[int, typer.Option(min=1, help="Images labelled at the start, chosen at random.")]
Sizes = Annotated[str, typer.Option(help="Training-set sizes with commas between.")]
Classes = Annotated[
    int | None,
    typer.Option(min=2, max=256, help="Number of classes with the background. Default: read from the masks."),
]
MaskNumbers = Annotated[
    Meaning,
    typer.Option(
        "--mask-numbers",
        help="What numbers in masks mean: classes, or objects, numbered in each mask and all of one class.",
    ),
]
InvertMasks = Annotated[
    list[str] | None,
    typer.Option(
        "--invert-masks",
        help=(
            "'all', or the file name of a mask in which background and objects are exchanged; may be"
            " repeated."
        ),
    ),
]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]
Seed = Annotated[
    int,
    typer.Option(
        min=0, max=MOST_SEED, help="Same seed, same result (but where a search ends by its time limit)."
    ),
]


@dataclass(frozen=True)
class Given:
    """What the command line says about declared options, by name; None where it says nothing."""

    values: Mapping[str, Any]

    @property
    def said(self) -> dict[str, Any]:
        """The options that the command line says something about."""
        return {name: value for name, value in self.values.items() if value is not None}


@dataclass(frozen=True)
class GivenRecipe(Given):
    """Called for the recipe, so that errors in its options are explained like a command's others."""

    name: str | None = None  # of NAMED; other options say what differs from it

    def __call__(self) -> Recipe:
        """The recipe of the options. Raises RecipeError."""
        named = NAMED[self.name] if self.name else {}
        return Recipe(**{"width": default_width(default_device())} | named | self.said)

    def check_only(self, names: Collection[str], why: str, remedy: str = "leave it out") -> None:
        """Raise typer.BadParameter where the command line says something about others than `names`."""
        declared = options_of(Recipe)
        others = [_flag(declared[name]) for name in self.said if name not in names]
        others += ["--recipe"] * (self.name is not None)
        if others:
            raise typer.BadParameter(f"{why}; {remedy}.", param_hint=", ".join(f"'{o}'" for o in others))

    @property
    def fits_objects(self) -> bool:
        """Whether the working size is chosen by the masks."""
        return "max_side" not in self.said


class GivenStrategyOptions(Given):
    """The options of all strategies."""

    def of(self, strategy: str, *, paper: str | None = None) -> dict[str, Any]:
        """Those that a strategy takes; where nothing is said at their defaults, or the paper's with a learner
        of the kind `paper`. Raises StrategyError for an unknown name."""
        taken = default_options(strategy) | (paper_options(strategy, paper) if paper else {})
        return {name: self.said.get(name, default) for name, default in taken.items()}

    def check_taken(self, *strategies: str, paper: str | None = None) -> None:
        """Raise typer.BadParameter where an option is said that none of the strategies takes, or only with
        another value of another option (`paper` as in `of`); it would change nothing.
        Raises StrategyError for an unknown name."""
        declared = strategy_options()
        for name in self.said:
            option, takers = declared[name]
            chosen = [self.of(strategy, paper=paper) for strategy in strategies]
            taken = [options for options in chosen if name in options]
            if not taken:
                raise typer.BadParameter(
                    f"means nothing with --strategy {', '.join(strategies)}; it is for {', '.join(takers)}.",
                    param_hint=f"'{_flag(option)}'",
                )
            if option.only_with is None:
                continue
            other, needed = option.only_with
            found = {options[other] for options in taken if other in options}
            if found and needed not in found:
                flag = _flag(declared[other][0])
                raise typer.BadParameter(
                    f"means nothing with {flag} {', '.join(map(str, sorted(found)))}; add {flag} {needed}, or"
                    " leave it out.",
                    param_hint=f"'{_flag(option)}'",
                )


_NAMES: Any = Literal.__getitem__(tuple(NAMED))
_NAME = inspect.Parameter(
    "recipe",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        _NAMES | None,
        typer.Option(
            "--recipe",
            help="How networks are trained, by a name: 'paper', the paper's way. Other options win over it.",
            show_default=False,
        ),
    ],
)


def declared_options(
    *, recipe_without: Collection[str] = (), strategies: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of a recipe, less some, in place of its parameter `recipe`.

    With `strategies` also one for each option of a strategy, in place of its parameter `options`.
    """
    of_recipe = [option for name, option in options_of(Recipe).items() if name not in recipe_without]
    takers = list(strategy_options().values()) if strategies else []
    recipe = [_parameter(option) for option in of_recipe]
    of_strategies = [_parameter(option, names) for option, names in takers]
    declared = [*of_recipe, *(option for option, _ in takers)]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters = dict(inspect.signature(command, eval_str=True).parameters)
        for name in ("recipe", "options") if strategies else ("recipe",):
            del parameters[name]

        @functools.wraps(command)
        def run(**values: Any) -> None:
            for each in declared:
                _check(each, values[each.name])
            name = values.pop(_NAME.name)
            given: dict[str, Any] = {
                "recipe": GivenRecipe({each.name: values.pop(each.name) for each in recipe}, name)
            }
            if strategies:
                given["options"] = GivenStrategyOptions(
                    {each.name: values.pop(each.name) for each in of_strategies}
                )
            command(**given, **values)

        seed = [parameters.pop("seed")] if "seed" in parameters else []
        run.__signature__ = inspect.Signature([*parameters.values(), *of_strategies, _NAME, *recipe, *seed])  # type: ignore[attr-defined]
        return run

    return decorate


def _check(declared: Option, value: Any) -> None:
    """Raise typer.BadParameter by the name that a person typed, for a value that an option does not take."""
    try:
        if value is not None:
            declared.check(value)
    except ValueError as error:
        raise typer.BadParameter(
            f"found {value}, expected {declared.expected}.", param_hint=f"'{_flag(declared)}'"
        ) from error


def _flag(declared: Option) -> str:
    return declared.flag or f"--{declared.name.replace('_', '-')}"


def _parameter(declared: Option, takers: Mapping[str, Any] | None = None) -> inspect.Parameter:
    """A parameter of a command that the command line shows as the option, with the defaults of the strategies
    that take it. None stands for nothing said; flags can only be set, unless that is the default of some."""
    takers = takers or {}
    differ = len(set(takers.values())) > 1
    default = declared.automatic or ("" if declared.default in (None, False) else f"{declared.default}")
    if differ and not declared.automatic:
        default = describe_default(declared, takers)
    shown = f"Default: {default}." if default else ""
    note = f"For {', '.join(takers)}." if takers else ""
    help_ = " ".join(filter(None, (declared.help.replace("`", "'"), note, shown)))
    flag = _flag(declared)
    if declared.kind is bool and differ:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    limits: dict[str, Any] = (
        {"min": declared.least, "max": declared.most} if declared.kind in (int, float) else {}
    )
    kind: Any = Literal.__getitem__(declared.choices) if declared.choices else declared.kind
    annotation = Annotated[kind | None, typer.Option(flag, help=help_, show_default=False, **limits)]
    return inspect.Parameter(
        declared.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def mask_options(mask_numbers: Meaning, invert_masks: list[str] | None) -> MaskOptions:
    """What the options of a command say about its masks."""
    return MaskOptions(mask_numbers, tuple(invert_masks or ()))


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Numbers with commas between. Raises typer.BadParameter naming the option."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"found {text!r}, expected numbers with commas between, such as 5,7,12", param_hint=option
        ) from error
