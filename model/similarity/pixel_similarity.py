"""The similarity d (Eq. 2) by small networks on the features of pixels:
one for every image, all trained together, each scored on all images, so that nothing has to be completed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from model.network.pseudo_labels import FEWEST_PIXELS
from model.pixels import Networks, Pixels, train_networks
from model.similarity.completion import complete_by_columns
from model.similarity.round import Round
from model.similarity.rows import row_seed

FEWEST = FEWEST_PIXELS // 2
"""Sampled pixels of foreground, and of background, below which there is nothing to learn from."""
TOGETHER = 64  # networks trained and scored at once; bounds the memory whatever the number of images
VALUES = 4_000_000  # hidden values computed at once, 16 MB: blocks of images are as large as that allows
MOST_NETWORKS = 1000
"""In larger pools so many images are drawn that get a network: the cost would grow with the square."""
STREAM = 2  # of random numbers, apart from that of other draws of a round


@dataclass(frozen=True)
class Effort:
    """What the network of an image learns from, and how large it is."""

    pixels: int  # of each image
    components: int | None  # principal components of their features; None: the features themselves
    hidden: int
    steps: int
    batch: int


EFFORTS = {
    60: Effort(2000, None, 48, 200, 256),
    150: Effort(1000, None, 32, 60, 128),
}
"""By the most images of a pool for which the cost, which grows with their square, is a few seconds."""
LEAST_EFFORT = Effort(500, 32, 16, 60, 64)  # of larger pools


@dataclass(frozen=True)
class PixelSimilarity:
    """d of the images compared.

    ids: those that show something to learn from. matrix: float32 (n, n). trained: the ids that have a
    network of their own, whose rows are measured; all of them up to MOST_NETWORKS.
    empty: the images, labelled ones as well, whose mask shows nothing to learn from.
    vectors: float32 (n, 2 * channels), mean and deviation of each image's features.
    """

    ids: tuple[str, ...]
    matrix: npt.NDArray[np.float32]
    trained: tuple[str, ...]
    empty: frozenset[str]
    vectors: npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Sampled:
    """An image that shows something to learn from.

    features: float16 (P, values), standardised. classes: uint8 (P,), its mask. vector: float32 (F,).
    """

    image: str
    features: npt.NDArray[np.float16]
    classes: npt.NDArray[np.uint8]
    vector: npt.NDArray[np.float32]


def effort_for(count: int) -> Effort:
    """What a pool of so many images can afford."""
    return next((effort for most, effort in EFFORTS.items() if count <= most), LEAST_EFFORT)


def compare_pixels(
    round_: Round, *, true_masks: bool = False, effort: Effort | None = None
) -> PixelSimilarity:
    """Train a network on every image whose mask shows something to learn from, and score each on all of them.

    The mask is the pseudo-label, with `true_masks` the annotator's where there is one.
    """
    effort = effort or effort_for(len(round_.ids))
    found, empty = _sample_images(round_, true_masks, effort)
    ids = tuple(each.image for each in found)
    trained = draw_trained(round_, ids)
    rows = _measure_rows(round_, found, trained, effort)
    matrix = rows if len(trained) == len(ids) else complete_by_columns(rows, trained)
    np.fill_diagonal(matrix, 1.0)
    values = 2 * round_.features.extractor.channels
    vectors = np.array([each.vector for each in found], dtype=np.float32).reshape(len(ids), values)
    return PixelSimilarity(ids, matrix, tuple(ids[place] for place in trained), frozenset(empty), vectors)


def draw_trained(round_: Round, ids: Sequence[str]) -> list[int]:
    """The positions of the `ids` that get a network, ascending: all, or L and others drawn at random."""
    labelled = [place for place, identity in enumerate(ids) if identity in round_.labels]
    others = [place for place, identity in enumerate(ids) if identity not in round_.labels]
    if len(ids) > MOST_NETWORKS:
        drawn = np.random.default_rng([round_.seed, STREAM]).permutation(others)
        others = drawn[: max(1, MOST_NETWORKS - len(labelled))].tolist()
    return sorted(labelled + others)


def _sample_images(round_: Round, true_masks: bool, effort: Effort) -> tuple[list[_Sampled], list[str]]:
    """The images that show something to learn from, and the ids of the others."""
    model, scale = round_.pixel_model, round_.pixels.scale
    projection = round_.pixels.project(effort.components) if effort.components else None
    found, empty = [], []
    for identity, sample in round_.pixels.samples(with_labels=true_masks):
        given = true_masks and identity in round_.labels
        classes = sample.classes_in(round_.labels[identity]) if given else model.classify(sample)
        if len(classes) - np.bincount(classes).max() < (1 if given else FEWEST):
            empty.append(identity)  # however small, what is drawn is meant
            continue
        own = _thin(len(classes), effort.pixels)
        features = scale.apply(sample.values[own])
        if projection is not None:
            features = features @ projection
        vector = np.concatenate([sample.mean, sample.deviation])
        found.append(_Sampled(identity, features.astype(np.float16), classes[own], vector))
    return found, empty


def _thin(count: int, wanted: int) -> npt.NDArray[np.int64]:
    """`wanted` of `count` positions at random, the same at each call; where there are fewer, some twice."""
    if count < wanted:
        return np.resize(np.arange(count), wanted)
    return np.sort(np.random.default_rng(count).permutation(count)[:wanted])


def _measure_rows(
    round_: Round, images: Sequence[_Sampled], trained: Sequence[int], effort: Effort
) -> npt.NDArray[np.float32]:
    """d of the networks of the positions `trained` on all images: float32 (K, n)."""
    rows = np.empty((len(trained), len(images)), dtype=np.float32)
    features, classes = [each.features for each in images], [each.classes for each in images]
    total = effort.steps * -(-len(trained) // TOGETHER)
    for first in range(0, len(trained), TOGETHER):
        own = [images[place] for place in trained[first : first + TOGETHER]]

        def count(done: int, _: int, before: int = first // TOGETHER * effort.steps) -> None:
            round_.on_progress("Networks on single images", before + done, total)

        networks = train_networks(
            [Pixels(each.features.astype(np.float32), each.classes) for each in own],
            [row_seed(round_.seed, each.image) for each in own],
            classes=round_.classes,
            hidden=effort.hidden,
            steps=effort.steps,
            batch=effort.batch,
            on_step=count,
        )
        done = partial(count, effort.steps, 0)
        rows[first : first + TOGETHER] = score(networks, features, classes, round_.classes, on_block=done)
    return rows


def score(
    networks: Networks,
    features: Sequence[npt.NDArray[np.floating]],
    classes: Sequence[npt.NDArray[np.uint8]],
    class_count: int,
    *,
    on_block: Callable[[], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Dice of K networks on the sampled pixels of each of n images, float32 (K, n).

    features: (P, values) of each image, standardised; classes: (P,) class ids, the masks to agree with.
    `on_block` is called now and then, and may raise to cancel.
    """
    found = np.empty((networks.count, len(features)), dtype=np.float32)
    pixels = len(classes[0])
    together = max(1, VALUES // (networks.count * networks.hidden.shape[2] * pixels))
    for first in range(0, len(features), together):
        part = slice(first, first + together)
        masks = torch.from_numpy(np.stack(classes[part]))
        with torch.inference_mode():
            values = torch.from_numpy(np.concatenate(features[part]).astype(np.float32))
            predicted = networks.logits(values).argmax(dim=2).to(torch.uint8)
            found[:, part] = _dice(predicted.reshape(networks.count, *masks.shape), masks, class_count)
        if on_block is not None:
            on_block()
    return found


def _dice(predicted: torch.Tensor, masks: torch.Tensor, class_count: int) -> npt.NDArray[np.float32]:
    """`model.network.dice.dice` of class ids, uint8 (K, n, P), with masks, uint8 (n, P): float32 (K, n)."""
    scores = torch.zeros(predicted.shape[:2])
    for class_id in range(1, class_count):
        one, other = predicted == class_id, masks == class_id
        total = one.sum(dim=2) + other.sum(dim=1)
        agreed = (one & other).sum(dim=2)
        scores += torch.where(total > 0, 2 * agreed / total.clamp(min=1), 1.0)
    return (scores / max(1, class_count - 1)).numpy()
