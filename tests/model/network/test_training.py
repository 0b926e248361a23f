"""Training from scratch."""

from typing import Any

import numpy as np
import pytest
import torch

from model.errors import DivergedError, TooFewLabelsError
from model.network.checkpoint import TrainedModel
from model.network.dice import dice
from model.network.inference import predict_mask, predict_masks
from model.network.recipe import Recipe
from model.network.training import train
from model.network.unet import build_network
from tests.model.conftest import Images, Masks, blobs


def trained(discs: tuple[Images, Masks], recipe: Recipe, ids: list[str], **options: Any) -> TrainedModel:
    images, masks = discs
    return train(
        [images[i] for i in ids], [masks[i] for i in ids], classes=2, recipe=recipe, seed=3, **options
    )


def test_a_network_learns_to_segment_images_that_it_has_not_seen(
    discs: tuple[Images, Masks], tiny_recipe: Recipe
) -> None:
    model = trained(discs, tiny_recipe, ["00.png", "01.png", "03.png"])
    image, mask = blobs(100)
    assert dice(predict_mask(model, image), mask, 2) > 0.8


def test_the_same_seed_gives_the_same_network(discs: tuple[Images, Masks], tiny_recipe: Recipe) -> None:
    first, second = (trained(discs, tiny_recipe, ["00.png"], steps=5) for _ in range(2))
    for name, weight in first.network.state_dict().items():
        torch.testing.assert_close(weight, second.network.state_dict()[name], rtol=0, atol=0)


def test_another_seed_gives_another_network(discs: tuple[Images, Masks], tiny_recipe: Recipe) -> None:
    images, masks = discs
    models = [
        train([images["00.png"]], [masks["00.png"]], classes=2, recipe=tiny_recipe, seed=seed, steps=3)
        for seed in (1, 2)
    ]
    weights = [torch.cat([p.flatten() for p in model.network.parameters()]) for model in models]
    assert not torch.equal(*weights)


def test_training_leaves_the_callers_random_state_alone(
    discs: tuple[Images, Masks], tiny_recipe: Recipe
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    trained(discs, tiny_recipe, ["00.png"], steps=2)
    assert torch.equal(torch.rand(1), expected)


def test_an_empty_mask_does_not_break_training(discs: tuple[Images, Masks], tiny_recipe: Recipe) -> None:
    images, _ = discs
    empty = np.zeros((48, 48), np.uint8)
    model = train([images["00.png"]], [empty], classes=2, recipe=tiny_recipe, seed=0)
    assert predict_mask(model, images["01.png"]).mean() < 0.05


def test_images_of_several_sizes_train_together(tiny_recipe: Recipe) -> None:
    pairs = [blobs(0, side=40), blobs(1, side=64)]
    odd_image, odd_mask = blobs(2, side=57)
    pairs.append((odd_image[:33], odd_mask[:33]))
    model = train(
        [i for i, _ in pairs], [m for _, m in pairs], classes=2, recipe=tiny_recipe, seed=0, steps=6
    )
    assert [mask.shape for mask in predict_masks(model, [i for i, _ in pairs])] == [
        (40, 40),
        (64, 64),
        (33, 57),
    ]


def test_three_classes_are_told_apart(tiny_recipe: Recipe) -> None:
    image, mask = blobs(0)
    dark, dark_mask = blobs(1, bright=False)
    both, classes = np.concatenate([image, dark], axis=1), np.concatenate([mask, dark_mask * 2], axis=1)
    model = train([both], [classes], classes=3, recipe=tiny_recipe.replace(width=8), seed=0, steps=120)
    assert dice(predict_mask(model, both), classes, 3) > 0.7


def test_progress_is_reported_and_may_cancel(discs: tuple[Images, Masks], tiny_recipe: Recipe) -> None:
    seen: list[tuple[int, int]] = []

    def watch(step: int, steps: int) -> None:
        seen.append((step, steps))
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(discs, tiny_recipe, ["00.png"], on_step=watch)
    assert seen == [(1, 40), (2, 40), (3, 40)]


def test_nothing_to_train_on_is_said() -> None:
    with pytest.raises(TooFewLabelsError, match="label an image first"):
        train([], [], classes=2, recipe=Recipe(), seed=0)


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_a_pretrained_encoder_keeps_what_it_knows(
    discs: tuple[Images, Masks], tiny_recipe: Recipe, rate: float
) -> None:
    """The statistics of its batch normalisation always, its weights at a rate of 0."""
    recipe = tiny_recipe.replace(encoder="efficientnet-lite0", encoder_rate=rate)
    trained_network = trained(discs, recipe, ["00.png"], steps=3).network
    before = build_network("efficientnet-lite0", 2, width=4, depth=2, weights="imagenet").state_dict()
    changed = {
        name for name, value in trained_network.state_dict().items() if not torch.equal(value, before[name])
    }
    assert {name.split(".")[0] for name in changed} == {"decoder", "segmentation_head"} | (
        {"encoder"} if rate else set()
    )
    assert not [name for name in changed if name.startswith("encoder.") and "running" in name]


def test_a_training_that_comes_apart_is_said(tiny_recipe: Recipe) -> None:
    """Not saved as a network that finds nothing."""
    image, mask = blobs(0)
    recipe = tiny_recipe.replace(learning_rate=1e30)
    with pytest.raises(DivergedError, match="learning_rate"):
        train([image], [mask], classes=2, recipe=recipe, seed=0, steps=10)
