"""The pixel classifier beside the U-Net at its default recipe, in turn in the same run.

Run: OMP_NUM_THREADS=1 make bench ARGS="-k pixel"
Processor seconds of one thread: what others do on the machine counts little.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from model.data.pool import Pool, scan
from model.experiment.split import Split
from model.network.inference import predict_mask
from model.network.recipe import Recipe
from model.network.training import train
from model.pixels import FeatureExtractor, Pixels, Scale, draw_sample, train_networks, train_pixel_model

PAIRS = 3  # of ours and the rival, in turn
UNET_STEPS = 10  # that are timed; a training takes as many times as long as it has more
UNET = Recipe()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def large(shared_data: Path) -> Pool:
    """Phase contrast of 512 x 512 pixels."""
    return scan(shared_data / "usiigaci_t98g" / "images", shared_data / "usiigaci_t98g" / "masks")


def processor_seconds(*runs: Callable[[], object]) -> list[float]:
    """Medians of each, in turn, after one warm-up of each."""
    seconds: list[list[float]] = [[] for _ in runs]
    for turn in range(PAIRS + 1):
        for run, found in zip(runs, seconds, strict=True):
            started = time.process_time()
            run()
            if turn:
                found.append(time.process_time() - started)
    return [statistics.median(found) for found in seconds]


@pytest.mark.benchmark
@pytest.mark.timeout(600)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_features_and_masks(large: Pool, precision: str) -> None:
    """Of an image of 512 x 512 pixels."""
    image, mask = (pool[large.ids[0]] for pool in (large.images, large.labels))
    extractor = FeatureExtractor(precision)
    sample = draw_sample(image, extractor)
    ours = train_pixel_model([sample], [mask], classes=2, seed=0, extractor=extractor)
    unet = train([image], [mask], classes=2, recipe=UNET.replace(precision=precision), seed=0, steps=2)
    drawn, features, own, other = processor_seconds(
        lambda: draw_sample(image, extractor),
        lambda: list(extractor.compute(image)),
        lambda: predict_mask(ours, image),
        lambda: predict_mask(unet, image),
    )
    print(
        f"\npixel features of 512 x 512, {precision}: {features:.2f} s, with the sample {drawn:.2f} s;"
        f" mask {own:.2f} s, {own - features:.2f} s beyond the features; U-Net's mask {other:.2f} s"
    )


@pytest.mark.benchmark
@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [1, 12, 42])
def test_pixel_training(large: Pool, count: int) -> None:
    """On some labelled images whose features are kept."""
    ids = large.ids[:count]
    extractor = FeatureExtractor()
    masks = [large.labels[i] for i in ids]
    samples = [draw_sample(large.images[i], extractor) for i in ids]
    ours, unet = processor_seconds(
        lambda: train_pixel_model(samples, masks, classes=2, seed=0, extractor=extractor),
        lambda: train(
            [large.images[i] for i in ids], masks, classes=2, recipe=UNET, seed=0, steps=UNET_STEPS
        ),
    )
    whole = unet * UNET.steps / UNET_STEPS
    print(
        f"\npixel training on {count} images: {ours:.2f} s, U-Net {whole:.0f} s ({UNET.steps} steps, from"
        f" {UNET_STEPS}), {whole / ours:.0f}x"
    )


@pytest.mark.benchmark
@pytest.mark.timeout(900)
def test_pixel_networks_together(shared_data: Path) -> None:
    """One network for each of 42 images: stacked, and one by one; scored on the pixels of all."""
    pool = scan(shared_data / "dsb2018" / "images", shared_data / "dsb2018" / "masks", max_side=96)
    ids = Split.read(shared_data / "dsb2018" / "split_42_42.json").pool
    extractor = FeatureExtractor()
    samples = [draw_sample(pool.images[i], extractor) for i in ids]
    scale = Scale.over(samples)
    pixels = [
        Pixels(scale.apply(sample.values), sample.classes_in(pool.labels[i]))
        for i, sample in zip(ids, samples, strict=True)
    ]
    seeds = list(range(len(ids)))
    networks = train_networks(pixels, seeds, classes=2)
    features = torch.from_numpy(np.concatenate([each.features for each in pixels]))
    together, alone, scored = processor_seconds(
        lambda: train_networks(pixels, seeds, classes=2),
        lambda: [train_networks([each], [0], classes=2) for each in pixels],
        lambda: networks.logits(features),
    )
    print(
        f"\n{len(ids)} pixel networks together: {together:.1f} s, one by one {alone:.1f} s,"
        f" {alone / together:.1f}x; all on {len(features):,} pixels: {scored:.1f} s"
    )
