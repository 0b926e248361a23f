"""What one more label brings, tried on images whose masks are known.

These are the examples from which a regressor learns which image to label next (Konyushkova et al.: Learning
Active Learning from Data, 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from model.arrays import Mask
from model.pixels import (
    FeatureExtractor,
    Networks,
    Pixels,
    PixelSample,
    Scale,
    draw_sample,
    train_networks,
)
from model.pixels.agreement import count_for_each
from model.similarity.appearance import kernel_of, normalise, standardise
from model.similarity.generated_images import LOOKS, generate_image
from model.similarity.pixel_similarity import BATCH, HIDDEN, STEPS, score

Floats = npt.NDArray[np.float32]
GENERATED = 30
"""Images that labelling is tried on beside the labelled ones."""
EPISODES = 40
"""Sets of labelled images that are tried, of the generated and of the labelled ones."""
CANDIDATES = 3
"""Images of which each is added to such a set."""
MOST_LABELLED = 8
"""Images in such a set."""
TOGETHER = 12
"""Such sets whose networks are trained at once."""
FEWEST = 3
"""Images that it takes: one labelled, one to add, and one to judge by."""
PIXELS = 300
"""Sampled pixels of each that networks learn from and are scored on."""
MOST_PIXELS = 30_000
"""That a network learns from."""


@dataclass(frozen=True)
class Known:
    """An image whose mask is known.

    features: float16 (P, channels), standardised. classes: uint8 (P,). counts: float32 (classes,), for how
    many pixels of the mask one of each stands.
    """

    features: npt.NDArray[np.float16]
    classes: npt.NDArray[np.uint8]
    counts: Floats

    @classmethod
    def see(cls, sample: PixelSample, mask: Mask, scale: Scale, classes: int) -> Known:
        """Some of the sampled pixels with their ids, of so many classes, in the mask."""
        order = np.random.default_rng(len(sample.positions)).permutation(len(sample.positions))
        own = np.resize(order, PIXELS)
        found = sample.classes_in(mask)[own]
        features = scale.apply(sample.values[own]).astype(np.float16)
        return cls(features, found, count_for_each(found, mask, classes))


@dataclass(frozen=True)
class Examples:
    """traits: float32 (n, 6), see `describe`. gains: float32 (n,), of the mean dice on the other images."""

    traits: Floats
    gains: Floats


def join(some: Sequence[Examples]) -> Examples:
    """All examples."""
    return Examples(
        np.concatenate([each.traits for each in some]), np.concatenate([each.gains for each in some])
    )


def describe(labelled: int, views: Floats, nearness: Floats, density: Floats) -> Floats:
    """The traits of n images to a network of so many `labelled` images: float32 (n, 6).

    They are that number (its logarithm), the mean and deviation of the pixels' entropies and the share of
    foreground, which are the `views`, (n, 3), how near the nearest labelled image looks, and how near all
    images look on average; (n,) each.
    """
    count = np.full(len(views), np.log(max(labelled, 1)), dtype=np.float32)
    return np.column_stack([count, views, nearness, density]).astype(np.float32)


def view(networks: Networks, which: int, features: npt.NDArray[np.floating]) -> Floats:
    """What one of the networks makes of an image's standardised pixels, (P, channels): float32 (3,)."""
    one = Networks(*(tensor[which : which + 1] for tensor in networks.parameters))
    with torch.inference_mode():
        found = one.logits(torch.from_numpy(features.astype(np.float32)))[0].softmax(dim=1).numpy()
    entropies = -(found * np.log(np.maximum(found, 1e-7))).sum(axis=1)
    foreground = (found.argmax(axis=1) > 0).mean()
    return np.array([entropies.mean(), entropies.std(), foreground], dtype=np.float32)


def learn(images: Sequence[Sequence[Known]], classes: int, seed: int) -> Networks:
    """A network from scratch for each of some sets of images, all from the same beginning, so that only what
    is labelled makes a difference."""
    pixels = []
    for some in images:
        thinned = slice(None, None, -(-len(some) * PIXELS // MOST_PIXELS))
        pixels.append(
            Pixels(
                np.concatenate([each.features for each in some])[thinned].astype(np.float32),
                np.concatenate([each.classes for each in some])[thinned],
            )
        )
    return train_networks(
        pixels, [seed] * len(images), classes=classes, hidden=HIDDEN, steps=STEPS, batch=BATCH
    )


def try_labelling(
    images: Sequence[Known],
    near: Floats,
    density: Floats,
    *,
    classes: int,
    seed: int,
    on_progress: Callable[[int, int], None],
) -> Examples:
    """Label some of at least FEWEST images, add one of some others, and see what that does for the rest.

    near: how near they look to each other, (n, n). density: how near all images look to each, (n,).
    """
    sets = _draw_sets(len(images), np.random.default_rng(seed))
    features, masks = [each.features for each in images], [each.classes for each in images]
    counts = [each.counts for each in images]
    traits, gains = [], []
    for first in range(0, len(sets), TOGETHER):
        own = sets[first : first + TOGETHER]
        trained = [some for labelled, added in own for some in (labelled, *([*labelled, i] for i in added))]
        networks = learn([[images[i] for i in some] for some in trained], classes, seed)
        dice = score(networks, features, masks, counts)
        place = 0
        for labelled, added in own:
            for with_label in range(place + 1, place + 1 + len(added)):
                rest = np.setdiff1d(np.arange(len(images)), trained[with_label])
                gains.append(float((dice[with_label] - dice[place])[rest].mean()))
            views = np.stack([view(networks, place, features[each]) for each in added])
            nearest = near[np.ix_(added, labelled)].max(axis=1)
            traits.append(describe(len(labelled), views, nearest, density[added]))
            place += 1 + len(added)
        on_progress(first + len(own), len(sets))
    return Examples(np.concatenate(traits), np.array(gains, dtype=np.float32))


@lru_cache(maxsize=2)
def try_generated(extractor: FeatureExtractor) -> Examples:
    """Examples from generated images: the same always, for the same way to compute features."""
    random = np.random.default_rng(0)
    looks = random.choice(len(LOOKS), GENERATED, p=random.dirichlet(np.full(len(LOOKS), 3.0)))
    pairs = [generate_image(LOOKS[look], seed) for seed, look in enumerate(looks)]
    samples = [draw_sample(image, extractor, mask=mask) for image, mask in pairs]
    scale = Scale.over(samples)
    known = [Known.see(sample, mask, scale, 2) for sample, (_, mask) in zip(samples, pairs, strict=True)]
    vectors = np.array([np.concatenate([sample.mean, sample.deviation]) for sample in samples])
    near = kernel_of(normalise(standardise(vectors)), 1.0)(np.arange(GENERATED))
    density = near.mean(axis=1)
    return try_labelling(known, near, density, classes=2, seed=0, on_progress=lambda *_: None)


def _draw_sets(count: int, random: np.random.Generator) -> list[tuple[list[int], list[int]]]:
    """EPISODES sets of positions to be labelled, each with up to CANDIDATES others to add; each set once."""
    drawn: dict[tuple[int, ...], tuple[list[int], list[int]]] = {}
    for _ in range(EPISODES):
        size = int(random.integers(1, min(count - 2, MOST_LABELLED) + 1))
        order = [int(place) for place in random.permutation(count)]
        labelled = sorted(order[:size])
        drawn.setdefault(tuple(labelled), (labelled, order[size : size + CANDIDATES]))
    return list(drawn.values())
