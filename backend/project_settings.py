"""The settings of one project, from its connection's extra params, and what one round may be asked to do
otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from backend.errors import SettingsError
from model.options import MOST_SEED, Option

DEFAULT_STRATEGY = "herding"
PAPERS = "task_dependent"
MOST_BUDGET = 1000
GATHERED: Final = "options of strategies"
"""What the options of strategies are called while settings are read;
in extra params each is a key of its own."""
FEWEST_LABELS_TO_RANK = 3
"""Below so many labels f_L knows too little for its pseudo-labels to be compared;
the cold-start order is used."""

_NO_VALUE = ("", "null", "none")


def _known_strategy(value: str) -> str:
    from model.strategies import strategy_names

    if value not in strategy_names():
        raise ValueError(f"found {value!r}, expected one of {', '.join(strategy_names())}")
    return value


def _declared_options() -> dict[str, Option]:
    from model.strategies import strategy_options

    return {name: option for name, (option, _) in strategy_options().items()}


def known_recipe(value: object) -> dict[str, object]:
    """The settings of a recipe that is given by its name or as an object. Raises ValueError."""
    from model.errors import RecipeError
    from model.network.recipe import read_recipe

    try:
        return read_recipe(value)
    except (RecipeError, TypeError) as error:
        raise ValueError(str(error)) from error


def check_encoder(recipe: Mapping[str, object]) -> None:
    """Build the network of a recipe once, which tells whether its encoder is known. Raises SettingsError.

    Only where another than the classical one is chosen, as it takes seconds. Weights are read where they are
    installed, but not fetched.
    """
    from model.network.recipe import CLASSICAL, PACKAGED, Recipe

    wanted = Recipe.from_dict(dict(recipe))
    if wanted.encoder == CLASSICAL and wanted.encoder_weights is None:
        return
    from model.errors import RecipeError
    from model.network.unet import build_network

    try:
        weights = wanted.pretrained if wanted.encoder in (CLASSICAL, PACKAGED) else None
        build_network(wanted.encoder, 2, width=wanted.width, depth=wanted.depth, weights=weights)
    except RecipeError as error:
        raise SettingsError(f"RECIPE: {error}") from error


Budget = Annotated[int, Field(ge=1, le=MOST_BUDGET)]
Strategy = Annotated[str, AfterValidator(_known_strategy)]


class _WithStrategyOptions(BaseModel):
    """Settings beside which the options of strategies stand, each a key of its own as the strategies declare
    it.

    They are gathered in `strategy_options`, which is no key itself.
    Those of strategies that are not in use count for nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    strategy_options: dict[str, object] = Field(
        default_factory=dict, alias=GATHERED, description="Options of strategies, by name."
    )

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """Every key that is understood."""
        return (
            *(name for name, field in cls.model_fields.items() if field.alias is None),
            *_declared_options(),
        )

    @model_validator(mode="before")
    @classmethod
    def _collect(cls, values: dict[str, object]) -> dict[str, object]:
        if GATHERED in values:
            raise ValueError(f"found the key {GATHERED!r}, expected each option as a key of its own")
        if not values.keys() - cls.model_fields.keys():
            return values  # the declarations need not be looked at, which takes a moment
        declared = _declared_options()
        given = {key: value for key, value in values.items() if key in declared and value is not None}
        return {key: value for key, value in values.items() if key not in declared} | {GATHERED: given}

    @field_validator("strategy_options")
    @classmethod
    def _check_options(cls, values: dict[str, object]) -> dict[str, object]:
        wrong = []
        for name, value in values.items():
            try:
                _declared_options()[name].check(value)
            except ValueError as error:
                wrong.append(str(error).rstrip("."))
        if wrong:
            raise ValueError("; ".join(wrong))
        return values


class ProjectSettings(_WithStrategyOptions):
    """Settings of one project: the extra params of its connection in Label Studio, a JSON object."""

    budget: Budget = Field(5, description="Images asked for in one batch.")
    strategy: Strategy = Field(DEFAULT_STRATEGY, description="How images are chosen.")
    seed: int = Field(
        0,
        ge=0,
        le=MOST_SEED,
        description=(
            "Same seed, labels and images: same order. Where a search for the best batch ends by its time"
            " limit of seconds, a slower machine may find another one, about as good."
        ),
    )
    folds: int = Field(
        3, ge=0, le=10, description="Folds of the held-out dice; 0 or 1: none, every version is published."
    )
    recipe: dict[str, object] = Field(
        default_factory=dict,
        description="Training settings in place of the service's; given by the name of a recipe, too.",
    )

    @field_validator("recipe", mode="before")
    @classmethod
    def _recipe(cls, value: object) -> dict[str, object]:
        return known_recipe(value)

    live: bool = Field(
        True, description="Whether each label renews masks and order within seconds, by a pixel classifier."
    )

    unmasked_share: float = Field(
        0.0,
        ge=0,
        le=0.5,
        allow_inf_nan=False,
        description="Share of the images shown without a mask, to compare the minutes that a label takes.",
    )

    @property
    def orders_live(self) -> bool:
        """Whether each label renews the order too; strategies that need U-Nets do so with the batch."""
        from model.strategies import orders_by_pixels

        return self.live and orders_by_pixels(self.strategy, self.strategy_options)

    @model_validator(mode="after")
    def _compare_as_before(self) -> Self:
        if not self.live:  # a round by pixels would follow each batch only
            self.strategy_options.setdefault("similarity", "unet")
        return self


class RoundOptions(_WithStrategyOptions):
    """What one round may be asked to do otherwise than the project's settings say; None, or no option:
    as they say."""

    budget: Budget | None = None
    strategy: Strategy | None = None


def is_live(extra_params: str | None, defaults: Mapping[str, object]) -> bool:
    """Whether extra params, as JSON text, leave the live turns on; of those that cannot be read, the defaults
    tell. Reads nothing else, so that the scheduler need not load what checks the other keys."""
    values: Any = None
    with suppress(ValueError, RecursionError):
        values = json.loads(extra_params or "null")
    told = values.get("live") if isinstance(values, dict) else None
    return bool(told if isinstance(told, bool) else defaults.get("live", True))


def parse_round_options(values: dict[str, object]) -> RoundOptions:
    """The options of one round.
    Raises SettingsError naming every key that is unknown or has a wrong value."""
    try:
        return RoundOptions.model_validate(values)
    except ValidationError as error:
        raise SettingsError(f"Recompute: {explain(error, RoundOptions)}") from error


def _keep_method(values: Mapping[str, object]) -> Mapping[str, object]:
    """Settings of releases whose default was the paper's method name its options alone: they mean that method
    still, as by another strategy they would mean nothing."""
    from model.strategies import default_options

    of_method = default_options(PAPERS).keys() - default_options(DEFAULT_STRATEGY).keys()
    said = {name for name, value in values.items() if value is not None}
    return {"strategy": PAPERS, **values} if said & of_method else values


def parse_project_settings(
    extra_params: str | dict[str, object] | None, defaults: dict[str, object] | None = None
) -> ProjectSettings:
    """The settings of a project from its extra params (JSON text, an object, or nothing), over `defaults`.

    Raises SettingsError naming every key that is unknown or has a wrong value.
    """
    values: Any = extra_params
    if isinstance(extra_params, str):
        try:
            values = {} if extra_params.strip().lower() in _NO_VALUE else json.loads(extra_params)
        except (ValueError, RecursionError) as error:
            raise SettingsError(
                f'Extra params: found {extra_params[:80]!r} ({error}), expected JSON such as {{"budget": 5}}.'
            ) from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise SettingsError(
            f'Extra params: found {json.dumps(values)[:80]}, expected a JSON object such as {{"budget": 5}}.'
        )
    try:
        return ProjectSettings.model_validate(_keep_method({**(defaults or {}), **values}))
    except ValidationError as error:
        raise SettingsError(f"Extra params: {explain(error, ProjectSettings)}") from error


def known_project_settings(extra_params: str | None, defaults: dict[str, object]) -> ProjectSettings:
    """The same for those who only look: the usual settings where the extra params are wrong, which /setup
    has told."""
    try:
        return parse_project_settings(extra_params, defaults)
    except SettingsError:
        return parse_project_settings(None)


def explain(error: ValidationError, model: type[BaseModel], *, environment: bool = False) -> str:
    """One sentence for each wrong value; unknown keys together, with the known ones.
    Secrets are never quoted."""
    unknown = [str(problem["loc"][0]) for problem in error.errors() if problem["type"] == "extra_forbidden"]
    parts: list[str] = []
    for problem in error.errors():
        if problem["type"] == "extra_forbidden":
            continue
        name = ".".join(map(str, problem["loc"])) or "values"
        if name == GATHERED:  # each is named in the message
            parts.append(problem["msg"].removeprefix("Value error, "))
            continue
        name = name.upper() if environment else name
        message = problem["msg"].removeprefix("Value error, ")
        secret = any(word in name.lower() for word in ("key", "pass", "url"))
        found = "" if problem["type"] == "value_error" or secret else f" (found {problem['input']!r})"
        message = message.rstrip(".")
        parts.append(message + found if name.lower() == "values" else f"{name}: {message}{found}")
    if unknown:
        known = model.known_keys() if issubclass(model, _WithStrategyOptions) else model.model_fields
        parts.append(f"unknown keys {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    return "; ".join(parts) + "."
