"""Training crops."""

import numpy as np
import pytest
import torch

from model.network.augmentation import CropSampler
from tests.model.conftest import blobs

CPU = torch.device("cpu")


def test_the_mask_follows_the_image_through_rotation_scale_and_flip() -> None:
    image, mask = blobs(0, side=96)
    sampler = CropSampler([image * 0 + mask[:, :, None]], [mask], 48, seed=0, device=CPU)
    for _ in range(20):
        crop, target = sampler.cut([sampler.draw()])
        assert ((crop[0, 0] > 0.5) == (target[0] > 0.5)).float().mean() > 0.97


def test_every_image_is_drawn_equally_often() -> None:
    pairs = [blobs(seed) for seed in range(5)]
    sampler = CropSampler([i for i, _ in pairs], [m for _, m in pairs], 32, seed=0, device=CPU)
    drawn = [sampler.next_image() for _ in range(50)]
    assert np.bincount(drawn).tolist() == [10] * 5


def test_crops_differ_and_repeat_under_their_seed() -> None:
    image, mask = blobs(0)
    first, again, other = (CropSampler([image], [mask], 32, seed, CPU).sample(4) for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0][0], first[0][1])


@pytest.mark.parametrize("by_size", [False, True])
def test_crops_of_a_batch_are_those_that_are_cut_one_by_one(by_size: bool) -> None:
    """Of images of several sizes, some of them more than once, as a CPU and as a GPU cut them."""
    pairs = [blobs(seed, side=side) for seed, side in enumerate((40, 64, 40, 64, 64))]
    sampler = CropSampler([i for i, _ in pairs], [m for _, m in pairs], 32, seed=0, device=CPU)
    drawn = [sampler.draw() for _ in range(12)]
    alone = [sampler.cut([each]) for each in drawn]
    sampler.by_size = by_size
    crops, targets = sampler.cut(drawn)
    assert torch.equal(crops, torch.cat([crop for crop, _ in alone]))
    assert torch.equal(targets, torch.cat([target for _, target in alone]))


def test_a_crop_larger_than_its_image_is_filled_with_its_mirror_image() -> None:
    image, mask = blobs(0, side=40)
    crops, targets = CropSampler([image], [mask], 64, seed=0, device=CPU).sample(8)
    assert crops.shape == (8, 3, 64, 64)
    assert targets.shape == (8, 64, 64)
    assert targets.dtype == torch.int64
    assert torch.isfinite(crops).all()
    assert set(targets.unique().tolist()) <= {0, 1}


def test_sparse_foreground_is_drawn_more_often_than_chance() -> None:
    image = np.zeros((200, 200, 3), np.float32)
    mask = np.zeros((200, 200), np.uint8)
    mask[20:24, 30:34] = 1
    _, targets = CropSampler([image], [mask], 32, seed=0, device=CPU).sample(60)
    share = (targets.flatten(1).amax(dim=1) > 0).float().mean()
    assert share > 0.12  # 32 x 32 of 200 x 200 pixels at random would show it in 4 % of the crops
