"""The similarity d (Eq. 2) by small networks on the features of pixels:
one for every image, all trained together, each scored on all images, so that nothing has to be completed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from model.network.pseudo_labels import FEWEST_PIXELS
from model.pixels import Networks, Pixels, train_networks
from model.similarity.round import Round
from model.similarity.rows import row_seed

FEWEST = FEWEST_PIXELS // 2
"""Sampled pixels of foreground, and of background, below which there is nothing to learn from."""
TOGETHER = 64  # networks trained and scored at once
VALUES = 4_000_000  # hidden values computed at once, 16 MB: blocks of images are as large as that allows


@dataclass(frozen=True)
class PixelSimilarity:
    """d of the images compared.

    ids: those that show something to learn from. matrix: float32 (n, n), both directions of all pairs known.
    empty: the images, labelled ones as well, whose mask shows nothing to learn from.
    vectors: float32 (n, 2 * channels), mean and deviation of each image's features.
    """

    ids: tuple[str, ...]
    matrix: npt.NDArray[np.float32]
    empty: frozenset[str]
    vectors: npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Effort:
    """What a network learns from and how large it is."""

    pixels: int
    hidden: int
    steps: int
    batch: int


def compare_pixels(round_: Round, *, true_masks: bool = False) -> PixelSimilarity:
    """Train a network on every image whose mask shows something to learn from, and score each on all of them.

    The mask is the pseudo-label, with `true_masks` the annotator's where there is one.
    """
    effort = _Effort(2000, 48, 200, 512)
    model, scale = round_.pixel_model, round_.pixels.scale
    ids: list[str] = []
    empty: set[str] = set()
    features: list[npt.NDArray[np.float16]] = []
    classes: list[npt.NDArray[np.uint8]] = []
    vectors: list[npt.NDArray[np.float32]] = []
    for identity, sample in round_.pixels.samples(with_labels=true_masks):
        given = true_masks and identity in round_.labels
        found = sample.classes_in(round_.labels[identity]) if given else model.classify(sample)
        if len(found) - np.bincount(found).max() < (1 if given else FEWEST):
            empty.add(identity)  # however small, what is drawn is meant
            continue
        ids.append(identity)
        own = _thinned(len(found), effort.pixels)
        features.append(scale.apply(sample.values[own]).astype(np.float16))
        classes.append(found[own])
        vectors.append(np.concatenate([sample.mean, sample.deviation]))
    matrix = _compare(round_, ids, features, classes, effort)
    return PixelSimilarity(
        tuple(ids),
        matrix,
        frozenset(empty),
        np.array(vectors, dtype=np.float32).reshape(len(ids), 2 * len(scale.mean)),
    )


def _thinned(count: int, wanted: int) -> npt.NDArray[np.int64]:
    """`wanted` of `count` positions at random, the same at each call; where there are fewer, each again."""
    if count < wanted:
        return np.resize(np.arange(count), wanted)
    return np.sort(np.random.default_rng(count).permutation(count)[:wanted])


def _compare(
    round_: Round,
    ids: list[str],
    features: list[npt.NDArray[np.float16]],
    classes: list[npt.NDArray[np.uint8]],
    effort: _Effort,
) -> npt.NDArray[np.float32]:
    """d of all `ids`, float32 (n, n), from the features and class ids of their pixels."""
    matrix = np.empty((len(ids), len(ids)), dtype=np.float32)
    steps = effort.steps * -(-len(ids) // TOGETHER)
    for first in range(0, len(ids), TOGETHER):
        part = range(first, min(first + TOGETHER, len(ids)))
        before = first // TOGETHER * effort.steps

        def count(done: int, _: int, before: int = before) -> None:
            round_.on_progress("Networks on single images", before + done, steps)

        networks = train_networks(
            [Pixels(features[k].astype(np.float32), classes[k]) for k in part],
            [row_seed(round_.seed, ids[k]) for k in part],
            classes=round_.classes,
            hidden=effort.hidden,
            steps=effort.steps,
            batch=effort.batch,
            on_step=count,
        )
        matrix[part.start : part.stop] = score(networks, features, classes, round_.classes)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def score(
    networks: Networks,
    features: Sequence[npt.NDArray[np.floating]],
    classes: Sequence[npt.NDArray[np.uint8]],
    class_count: int,
) -> npt.NDArray[np.float32]:
    """Dice of K networks on the sampled pixels of each of n images, float32 (K, n).

    features: (P, channels) of each image, standardised; classes: (P,) class ids, the masks to agree with.
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
