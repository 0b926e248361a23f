"""Many small networks at once."""

import numpy as np
import pytest
import torch

from model.pixels import Networks, Pixels, stacked, train_networks
from model.pixels.stacked import segmentation_losses

CHANNELS = 7


def two_groups(seed: int, count: int = 300, classes: int = 2) -> Pixels:
    """Pixels whose class is where their features lie."""
    random = np.random.default_rng(seed)
    ids = random.integers(0, classes, count).astype(np.uint8)
    centres = random.normal(size=(classes, CHANNELS)) * 2
    return Pixels((centres[ids] + random.normal(size=(count, CHANNELS))).astype(np.float32), ids)


def assert_alike(found: Networks, expected: Networks) -> None:
    for ours, theirs in zip(found.parameters, expected.parameters, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=2e-3)


def test_together_they_become_what_each_becomes_alone() -> None:
    """Also those with few pixels beside those with many, and those whose gradients are large."""
    pixels = [two_groups(seed, count) for seed, count in enumerate((300, 20, 1, 700))]
    pixels[3] = Pixels(pixels[3].features * 30, pixels[3].classes)
    together = train_networks(pixels, [5, 6, 7, 8], classes=2, steps=20)
    for index in range(4):
        alone = train_networks([pixels[index]], [5 + index], classes=2, steps=20)
        assert_alike(together.each()[index], alone)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """They bound the memory, by the number of networks and of their pixels."""
    pixels = [two_groups(seed, 100 + seed) for seed in range(7)]
    steps: list[tuple[int, int]] = []
    expected = train_networks(pixels, list(range(7)), classes=2, steps=20)
    monkeypatch.setattr(stacked, "TOGETHER", 3)
    found = train_networks(
        pixels, list(range(7)), classes=2, steps=20, on_step=lambda done, total: steps.append((done, total))
    )
    assert_alike(found, expected)
    assert steps == [(done, 60) for done in range(1, 61)]
    monkeypatch.setattr(stacked, "PIXELS_TOGETHER", 220)
    assert_alike(train_networks(pixels, list(range(7)), classes=2, steps=20), expected)


def test_the_same_seed_gives_the_same_network() -> None:
    first, second = (train_networks([two_groups(0)], [3], classes=2, steps=20) for _ in range(2))
    for ours, theirs in zip(first.parameters, second.parameters, strict=True):
        assert torch.equal(ours, theirs)
    other = train_networks([two_groups(0)], [4], classes=2, steps=20)
    assert not torch.equal(first.hidden, other.hidden)


def test_it_learns_several_classes() -> None:
    pixels = two_groups(1, 600, classes=4)
    networks = train_networks([pixels], [0], classes=4)
    logits = networks.logits(torch.from_numpy(pixels.features))
    assert logits.shape == (1, 600, 4)
    assert (logits[0].argmax(dim=1).numpy() == pixels.classes).mean() > 0.9


def test_logits_of_shared_and_of_own_pixels_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in parts, which bound the memory."""
    networks = train_networks([two_groups(0), two_groups(1)], [0, 1], classes=3, steps=3)
    features = torch.randn(101, CHANNELS)
    expected = networks.logits(features)
    torch.testing.assert_close(networks.logits(features.expand(2, -1, -1)), expected)
    monkeypatch.setattr(stacked, "HIDDEN_TOGETHER", 1000)
    torch.testing.assert_close(networks.logits(features), expected)
    torch.testing.assert_close(networks.logits(features.expand(2, -1, -1)), expected)


def test_the_gradient_of_each_is_clipped_by_its_own_norm() -> None:
    small, large = torch.full((1, 2, 2), 0.1), torch.full((1, 2, 2), 10.0)
    parameter = torch.zeros(2, 2, 2, requires_grad=True)
    parameter.grad = torch.cat([small, large])
    stacked.clip_gradients([parameter])
    torch.testing.assert_close(parameter.grad[:1], small)
    assert parameter.grad[1].norm().item() == pytest.approx(stacked.GRADIENT_NORM)


@pytest.mark.parametrize("classes", [2, 3])
def test_pixels_of_one_class_teach_that_class(classes: int) -> None:
    """A label that marks nothing, and one that marks everything."""
    features = two_groups(0).features
    pixels = [Pixels(features, np.full(300, only, np.uint8)) for only in (0, 1)]
    networks = train_networks(pixels, [0, 0], classes=classes, steps=40)
    logits = networks.logits(torch.from_numpy(features))
    assert torch.isfinite(logits).all()
    assert (logits.argmax(dim=2) == torch.tensor([[0], [1]])).all()


def test_a_class_that_does_not_occur_costs_no_dice() -> None:
    logits, targets = torch.zeros(1, 4, 3), torch.zeros(1, 4, dtype=torch.int64)
    assert segmentation_losses(logits, targets, 3).item() == pytest.approx(np.log(3))


@pytest.mark.parametrize("ids", [[], [0, 2]])
def test_pixels_that_cannot_be_learnt_from_are_named(ids: list[int]) -> None:
    pixels = Pixels(np.zeros((len(ids), CHANNELS), np.float32), np.array(ids, np.uint8))
    with pytest.raises(ValueError, match="expected 0 to 1"):
        train_networks([two_groups(0), pixels], [0, 1], classes=2)
