"""The similarity d (Eq. 2) by small networks on the features of pixels:
one for every image, all trained together, each scored on all images, so that nothing has to be completed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from model.network.pseudo_labels import FEWEST_SAMPLED
from model.pixels import Networks, OnStep, Pixels, train_networks
from model.pixels.agreement import count_for_each
from model.similarity.completion import complete_by_columns
from model.similarity.round import Round
from model.similarity.rows import row_seed

TOGETHER = 64  # networks trained and scored at once; bounds the memory whatever the number of images
VALUES = 4_000_000  # hidden values computed at once, 16 MB: blocks of images are as large as that allows
MOST_NETWORKS = 1000
"""In larger pools so many images are drawn that get a network: the cost would grow with the square."""
STREAM = 2  # of random numbers, apart from that of other draws of a round


HIDDEN, STEPS, BATCH = 8, 40, 256
"""Of a network: less than f_L has, so that it learns what its image looks like, not by heart the errors of
a pseudo-label. Larger ones agree with each other and tell less of the true transfer."""


@dataclass(frozen=True)
class Effort:
    """Sampled pixels of each image that its network learns from, and some of them that all are scored on."""

    learned: int
    scored: int


EFFORTS = {200: Effort(2000, 2000), 1000: Effort(1000, 300)}
"""By the most images of a pool for which it takes seconds: the cost grows with the square of their number."""
LEAST_EFFORT = Effort(500, 200)  # of larger pools


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
class SampledImage:
    """An image that shows something to learn from.

    features: float16 (P, channels), standardised. classes: uint8 (P,), its mask. The first of the pixels are
    those that all networks are scored on. counts: float32 (classes,), for how many pixels of the mask one of
    them stands, by its class: the sample of a label holds more of a rare class than its share.
    vector: float32 (2 * channels,).
    """

    image: str
    features: npt.NDArray[np.float16]
    classes: npt.NDArray[np.uint8]
    counts: npt.NDArray[np.float32]
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
    drawn = draw_trained(round_)
    found: list[SampledImage] = []
    empty: list[str] = []
    for identity, sampled in sample_images(round_, true_masks, effort, drawn):
        if sampled is None:
            empty.append(identity)
        else:
            found.append(sampled)
    ids = tuple(each.image for each in found)
    values = 2 * round_.features.extractor.channels
    vectors = np.array([each.vector for each in found], dtype=np.float32).reshape(len(ids), values)
    trained = [place for place, identity in enumerate(ids) if identity in drawn]
    rows = _measure_rows(round_, found, trained, effort)
    del found  # a gigabyte of 10,000 images, before their matrix takes half of one
    matrix = rows if len(trained) in (0, len(ids)) else complete_by_columns(rows, trained)
    np.fill_diagonal(matrix, 1.0)
    return PixelSimilarity(ids, matrix, tuple(ids[place] for place in trained), frozenset(empty), vectors)


def draw_trained(round_: Round) -> frozenset[str]:
    """The images that get a network: all, or MOST_NETWORKS drawn at random, half of them at least from U.
    L comes first in the other half, and wholly in small sets of labels."""
    if len(round_.ids) <= MOST_NETWORKS:
        return frozenset(round_.ids)
    random = np.random.default_rng([round_.seed, STREAM])
    others = random.permutation(round_.unlabelled)
    own = random.permutation(round_.labelled)[: max(MOST_NETWORKS // 2, MOST_NETWORKS - len(others))]
    return frozenset(str(each) for each in (*own, *others[: MOST_NETWORKS - len(own)]))


def sample_images(
    round_: Round,
    true_masks: bool,
    effort: Effort,
    drawn: Collection[str],
    *,
    only: Sequence[str] | None = None,
) -> Iterator[tuple[str, SampledImage | None]]:
    """Each image's id and what there is to learn from it, None where its mask shows nothing; in the order of
    ids. Those `drawn` get a network. Of all images, or of `only` some."""
    model, scale = round_.pixel_model, round_.pixels.scale
    for identity, sample in round_.pixels.samples(only, with_labels=true_masks):
        given = true_masks and identity in round_.labels
        classes = sample.classes_in(round_.labels[identity]) if given else model.classify(sample)
        if len(classes) - np.bincount(classes).max() < (1 if given else FEWEST_SAMPLED):
            yield identity, None  # however small, what is drawn is meant
            continue
        own = _thin(len(classes), effort.learned if identity in drawn else effort.scored)
        features = scale.apply(sample.values[own]).astype(np.float16)
        counts: npt.NDArray[np.float32] = np.ones(round_.classes, dtype=np.float32)
        if given:
            counts = count_for_each(classes[own[: effort.scored]], round_.labels[identity], round_.classes)
        vector = np.concatenate([sample.mean, sample.deviation])
        yield identity, SampledImage(identity, features, classes[own], counts, vector)


def _thin(count: int, wanted: int) -> npt.NDArray[np.int64]:
    """`wanted` of `count` positions in random order, always the same; some twice where there are fewer."""
    return np.resize(np.random.default_rng(count).permutation(count), wanted)


def _measure_rows(
    round_: Round, images: Sequence[SampledImage], trained: Sequence[int], effort: Effort
) -> npt.NDArray[np.float32]:
    """d of the networks of the positions `trained` on all images: float32 (K, n)."""
    rows = np.empty((len(trained), len(images)), dtype=np.float32)
    features = [each.features[: effort.scored] for each in images]
    classes = [each.classes[: effort.scored] for each in images]
    counts = [each.counts for each in images]
    total = STEPS * -(-len(trained) // TOGETHER)
    for first in range(0, len(trained), TOGETHER):
        own = [images[place] for place in trained[first : first + TOGETHER]]

        def count(done: int, _: int, before: int = first // TOGETHER * STEPS) -> None:
            round_.on_progress("Networks on single images", before + done, total)

        networks = train_on_images(round_, own, count)
        done = partial(count, STEPS, 0)
        rows[first : first + TOGETHER] = score(networks, features, classes, counts, on_block=done)
    return rows


def train_on_images(round_: Round, images: Sequence[SampledImage], on_step: OnStep | None = None) -> Networks:
    """The networks trained on each of some images alone; at most TOGETHER at once, for their memory."""
    return train_networks(
        [Pixels(each.features.astype(np.float32), each.classes) for each in images],
        [row_seed(round_.seed, each.image) for each in images],
        classes=round_.classes,
        hidden=HIDDEN,
        steps=STEPS,
        batch=BATCH,
        on_step=on_step,
    )


def score(
    networks: Networks,
    features: Sequence[npt.NDArray[np.floating]],
    classes: Sequence[npt.NDArray[np.uint8]],
    counts: Sequence[npt.NDArray[np.float32]],
    *,
    on_block: Callable[[], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Dice of K networks on the sampled pixels of each of n images, float32 (K, n).

    features: (P, values) of each image, standardised; classes: (P,) class ids, the masks to agree with;
    counts: (classes,), for how many pixels one of each class stands.
    `on_block` is called now and then, and may raise to cancel.
    """
    found = np.empty((networks.count, len(features)), dtype=np.float32)
    pixels = len(classes[0])
    together = max(1, VALUES // (networks.count * networks.hidden.shape[2] * pixels))
    for first in range(0, len(features), together):
        part = slice(first, first + together)
        masks, whole = torch.from_numpy(np.stack(classes[part])), torch.from_numpy(np.stack(counts[part]))
        with torch.inference_mode():
            values = torch.from_numpy(np.concatenate(features[part]).astype(np.float32))
            predicted = networks.logits(values).argmax(dim=2).to(torch.uint8)
            found[:, part] = _dice(predicted.reshape(networks.count, *masks.shape), masks, whole)
        if on_block is not None:
            on_block()
    return found


def _dice(predicted: torch.Tensor, masks: torch.Tensor, counts: torch.Tensor) -> npt.NDArray[np.float32]:
    """Dice of class ids, uint8 (K, n, P), with masks, uint8 (n, P), as `sampled_dice`: float32 (K, n)."""
    weights = counts.gather(1, masks.long())
    scores = torch.zeros(predicted.shape[:2])
    for class_id in range(1, counts.shape[1]):
        own = weights * (masks == class_id)
        drawn = (predicted == class_id).transpose(0, 1).float()
        area, agreed = torch.bmm(drawn, torch.stack([weights, own], dim=2)).permute(2, 1, 0)
        total = area + own.sum(dim=1)
        scores += torch.where(total > 0, 2 * agreed / total, 1.0)
    return (scores / max(1, counts.shape[1] - 1)).numpy()
