"""Experiments whose networks are pixel classifiers."""

import json
from pathlib import Path

import numpy as np
import pytest

from model.errors import ProtocolError, StrategyError
from model.experiment.protocol import Protocol
from model.experiment.record.plan import missing
from model.experiment.record.results import Results
from model.experiment.record.run import FALLBACK
from model.experiment.runner import run_experiment
from model.experiment.split import Split
from model.network.dice import dice
from model.network.folder import read_description
from model.network.inference import predict_masks
from model.pixels import FeatureExtractor, Scale, draw_sample, train_pixel_model
from model.similarity.learner import PIXEL, UNET
from model.strategies import strategy_names
from tests.model.experiment.small_runs import TINY, protocol_of

pytestmark = pytest.mark.usefixtures("brief_training")


def by_pixels(data: Path, **changes: object) -> Protocol:
    settings: dict[str, object] = {"learner": PIXEL, "experiments": 1, "random_draws": 1, "options": {}}
    return protocol_of(data, **(settings | changes))


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """An experiment of all strategies."""
    out = tmp_path_factory.mktemp("pixels")
    return out, run_experiment(by_pixels(data, strategies=strategy_names(), sizes=(3,)), out)


def test_every_strategy_chooses_by_pixel_classifiers(finished: tuple[Path, Results]) -> None:
    """None falls back to chance, none has a network of another kind, and the file tells what is meant."""
    out, results = finished
    assert missing(results) == []
    assert not [run.key for run in results.runs if FALLBACK in run.notes]
    kinds = {read_description(path.parent)["kind"] for path in (out / "work").rglob("model.json")}
    assert kinds == {PIXEL}
    protocol = json.loads((out / "results.json").read_text())["protocol"]
    assert (protocol["learner"], set(protocol["recipe"])) == (PIXEL, {"max_side", "precision"})


def test_the_score_is_the_dice_on_whole_test_images_of_a_classifier_of_the_set_alone(
    finished: tuple[Path, Results], data: Path
) -> None:
    run = finished[1].get((0, "ensemble", 0, 3))
    pool, split = by_pixels(data).read_pool(), Split.read(data / "split.json")
    extractor = FeatureExtractor(TINY.precision)
    samples = {i: draw_sample(pool.images[i], extractor, mask=pool.labels[i]) for i in run.chosen}
    others = [draw_sample(pool.images[i], extractor) for i in split.pool if i not in samples]
    model = train_pixel_model(
        [samples[i] for i in run.chosen],
        [pool.labels[i] for i in run.chosen],
        classes=2,
        seed=run.seed,
        extractor=extractor,
        scale=Scale.over([*samples.values(), *others]),
    )
    masks = predict_masks(model, [pool.images[i] for i in split.test])
    dices = sorted(dice(mask, pool.labels[i], 2) for i, mask in zip(split.test, masks, strict=True))
    assert run.mean_dice == pytest.approx(np.mean(dices), abs=0.01)  # features are kept in half precision
    assert run.mean_worst_dice == pytest.approx(dices[0], abs=0.02)


def test_the_same_seed_gives_the_same_experiment(
    finished: tuple[Path, Results], data: Path, tmp_path: Path
) -> None:
    arms = ("ensemble", "task_dependent", "uncertainty")
    for run in run_experiment(by_pixels(data, strategies=arms, sizes=(3,)), tmp_path).runs:
        same = finished[1].get(run.key)
        assert (run.chosen, run.dice, run.worst_dice) == (same.chosen, same.dice, same.worst_dice)


def test_an_experiment_goes_on_with_its_own_learner_alone(
    finished: tuple[Path, Results], data: Path, tmp_path: Path
) -> None:
    """One of an earlier release, which tells none, had U-Nets."""
    out, results = finished
    (tmp_path / "results.json").write_bytes((out / "results.json").read_bytes())
    with pytest.raises(ProtocolError) as caught:
        run_experiment(protocol_of(data), tmp_path)
    assert caught.value.different["learner"] == (PIXEL, UNET)
    again = by_pixels(data, strategies=strategy_names(), sizes=(3,), recipe=TINY.replace(width=8, steps=9))
    assert run_experiment(again, tmp_path).runs == results.runs  # what a classifier has no use for may change
    earlier = protocol_of(data).to_dict()
    del earlier["learner"]
    Results(earlier).save(tmp_path / "results.json")
    with pytest.raises(ProtocolError) as caught:
        run_experiment(by_pixels(data), tmp_path)
    assert caught.value.different["learner"] == (UNET, PIXEL)
    resumed = Results.resume(tmp_path / "results.json", protocol_of(data).to_dict(), ("learner", "options"))
    assert resumed.protocol["learner"] == UNET


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"learner": "forest"}, "found 'forest', expected one of unet, pixel"),
        ({"strategies": ("alike",), "options": {"alike": {"similarity": "unet"}}}, "trains no U-Nets"),
    ],
)
def test_what_a_learner_cannot_do_is_said(data: Path, changes: dict[str, object], text: str) -> None:
    with pytest.raises(StrategyError, match=text):
        by_pixels(data, **changes)
