"""The training settings."""

import re

import pytest

from model.errors import RecipeError
from model.network.recipe import PAPER, Recipe, read_recipe
from model.options import options_of


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(width=8, steps=70)
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_unknown_settings_are_named() -> None:
    with pytest.raises(RecipeError, match="stepps"):
        Recipe.from_dict({"stepps": 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", 0),
        ("crop", 16),
        ("steps", 0),
        ("batch", 1),
        ("batch", 10_000_000),  # it would take all memory before it fails
        ("depth", 6),
        ("learning_rate", 0.0),
        ("precision", "half"),
        ("steps", 1.5),
    ],
)
def test_settings_out_of_range_are_named(name: str, value: object) -> None:
    with pytest.raises(RecipeError, match=name):
        Recipe.from_dict({name: value})


def test_what_an_earlier_edition_wrote_is_still_the_same_recipe() -> None:
    """Running rounds, versions and experiments compare what was written with the recipe of today."""
    assert not {"encoder_rate", "flips"} & Recipe().to_dict().keys()
    recipe = Recipe(encoder="efficientnet-lite0", encoder_rate=0, flips=True)
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_a_named_recipe_says_everything_but_what_goes_with_the_device_and_the_images() -> None:
    """So that it stays what it is when a default changes."""
    assert options_of(Recipe).keys() - PAPER.keys() == {"width", "max_side", "precision"}
    assert Recipe.from_dict(read_recipe("paper")).encoder == "unet"
    read_recipe("paper")["encoder"] = "resnet18"
    assert PAPER["encoder"] == "unet"


def test_settings_beside_a_name_differ_from_it() -> None:
    """Larger images, say, of a recipe that leaves their size open."""
    given = read_recipe({"name": "paper", "max_side": 1024, "steps": 1200})
    assert given == PAPER | {"max_side": 1024, "steps": 1200}
    with pytest.raises(RecipeError, match="Unknown recipe settings stepps"):
        read_recipe({"name": "paper", "stepps": 1200})


@pytest.mark.parametrize("value", ["Paper", "", None, 8, ["paper"], {"name": "Paper"}, {"name": ["paper"]}])
def test_a_recipe_that_is_neither_name_nor_object_is_quoted(value: object) -> None:
    with pytest.raises(RecipeError, match=f"found {re.escape(repr(value))}, expected 'paper'"):
        read_recipe(value)
