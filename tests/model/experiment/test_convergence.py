"""Whether a recipe is converged: the table, and studies that go on."""

from pathlib import Path

import pytest

from model.errors import BudgetError, ResultsError
from model.experiment.convergence import study, table
from model.network.recipe import Recipe
from tests.model.experiment.tables import row

RECIPE = Recipe(width=4, depth=2, max_side=64, crop=32, batch=2, steps=1, row_steps=1)


def test_the_table_by_hand() -> None:
    """Mean over sets and seeds, change from fewer steps on the same sets and seeds, and the seed's spread
    within each set."""
    low = {"3/10/0/0": 0.4, "3/10/0/1": 0.5, "3/10/1/0": 0.6, "3/10/1/1": 0.7}
    high = {"3/20/0/0": 0.7, "3/20/0/1": 0.7, "8/20/0/0": 0.9, "8/20/0/1": 0.8}
    found = table(low | high)
    assert row(found, "", "3", "10") == ["3", "10", "0.550", "", "0.071", "4"]
    assert row(found, "", "3", "20") == ["3", "20", "0.700", "+0.250", "0.000", "2"]
    assert row(found, "", "8", "20") == ["8", "20", "0.850", "", "0.071", "2"]


def test_it_says_whether_more_steps_still_help() -> None:
    """The last change is held against what the seed alone changes."""
    text = table(
        {
            "3/10/0/0": 0.4,
            "3/10/0/1": 0.5,
            "3/20/0/0": 0.7,
            "3/20/0/1": 0.7,
            "8/10/0/0": 0.8,
            "8/10/0/1": 0.9,
            "8/20/0/0": 0.81,
            "8/20/0/1": 0.9,
        }
    )
    (open_ended,) = (line for line in text.splitlines() if line.startswith("- 3 images: not converged"))
    assert "+0.250" in open_ended
    assert "- 8 images: converged" in text
    assert "converged" not in table({"3/10/0/0": 0.4, "3/20/0/0": 0.7})


def test_a_study_goes_on_and_refuses_another_recipe(shared_data: Path, tmp_path: Path) -> None:
    data = shared_data / "dsb2018"
    done: list[tuple[int, int]] = []

    def run(recipe: Recipe, sizes: tuple[int, ...], steps: tuple[int, ...]) -> None:
        done.clear()
        split = data / "split_16_26.json"
        study(
            data,
            split,
            recipe,
            tmp_path,
            sizes=sizes,
            steps=steps,
            draws=1,
            seeds=1,
            jobs=1,
            on_done=lambda a, b: done.append((a, b)),
        )

    run(RECIPE, (2,), (1,))
    assert done == [(0, 1), (1, 1)]
    run(RECIPE, (2,), (1, 2))
    assert done == [(1, 2), (2, 2)]
    with pytest.raises(ResultsError, match="width"):
        run(RECIPE.replace(width=8), (2,), (1,))
    with pytest.raises(BudgetError, match="1 to 16"):
        run(RECIPE, (17,), (1,))
