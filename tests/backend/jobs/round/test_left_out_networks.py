"""A network that cannot be trained is left out of the round."""

from pathlib import Path

import pytest

from backend.jobs.round import finish
from model.arrays import Mask
from model.errors import StrategyError
from model.similarity.round import Round
from model.strategies.task_dependent import TaskDependent
from tests.model.conftest import blobs

STRATEGY = TaskDependent("unet", candidates=3)


@pytest.fixture
def round_(tmp_path: Path) -> Round:
    """Eight images of which two are labelled."""
    from model.network.recipe import Recipe

    pairs = {f"{number}": blobs(number) for number in range(8)}
    labels: dict[str, Mask] = {identity: pairs[identity][1] for identity in ("0", "1")}
    recipe = Recipe(width=4, depth=2, max_side=48, crop=32, steps=30, row_steps=5)
    return Round({identity: image for identity, (image, _) in pairs.items()}, labels, 2, recipe, 0, tmp_path)


def out_of_memory(monkeypatch: pytest.MonkeyPatch, *units: str) -> None:
    """The networks of these images cannot be trained, as when a GPU is full."""
    real = TaskDependent.run_unit

    def run_unit(strategy: TaskDependent, round_: Round, unit: str) -> None:
        if unit in units:
            raise RuntimeError("CUDA out of memory")
        real(strategy, round_, unit)

    monkeypatch.setattr(TaskDependent, "run_unit", run_unit)


def test_the_order_is_made_without_the_network_that_failed(
    round_: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = STRATEGY.units(round_)
    out_of_memory(monkeypatch, units[1])
    finish.complete_units(STRATEGY, round_)
    assert round_.failed == {units[1]: "CUDA out of memory"}
    ranking = STRATEGY.rank(round_, 2)
    assert sorted(ranking.order) == list(round_.unlabelled)
    assert ranking.comparison is not None
    assert ranking.comparison.trained == (units[0], units[2])


def test_a_round_in_which_all_failed_says_why(round_: Round, monkeypatch: pytest.MonkeyPatch) -> None:
    out_of_memory(monkeypatch, *STRATEGY.units(round_))
    finish.complete_units(STRATEGY, round_)
    with pytest.raises(StrategyError, match="CUDA out of memory"):
        STRATEGY.rank(round_, 2)
