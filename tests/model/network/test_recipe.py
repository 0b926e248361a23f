"""The training settings."""

import pytest

from model.errors import RecipeError
from model.network.recipe import Recipe


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
    assert not {"encoder_rate", "average", "flips"} & Recipe().to_dict().keys()
    recipe = Recipe(encoder="efficientnet-lite0", encoder_rate=0, average=0.9, flips=True)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
