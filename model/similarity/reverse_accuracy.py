"""How far the mask that the model draws in an image can be trusted: reverse classification accuracy.

A network that learns from the image and its mask alone predicts images whose masks are known. Where it does
well on none of them, the mask that it learnt from is wrong, or of something else (Valindria et al.: Reverse
Classification Accuracy, IEEE Transactions on Medical Imaging 2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import numpy as np
import numpy.typing as npt

from model.similarity.appearance import Appearance, normalise, squared_distances, standardise
from model.similarity.pixel_similarity import (
    MOST_NETWORKS,
    STREAM,
    TOGETHER,
    effort_for,
    sample_images,
    score,
    train_on_images,
)
from model.similarity.round import Round

NEIGHBOURS = 5
"""Images with a network whose mean stands for one that has none."""
BLOCK = 256  # images compared with all others at once; bounds the memory


def measure_trust(round_: Round) -> dict[str, float]:
    """The best dice, on any labelled image, of the network trained on each unlabelled image and its
    pseudo-label alone: in [0, 1], by id.

    These are the networks of `compare_pixels` with `true_masks`, and its pixels. Images in which nothing is
    found have no network, and neither have most of a large pool: they are left out. So are all where no
    labelled image shows anything.
    """
    drawn = draw_unlabelled(round_)
    effort = effort_for(len(round_.ids))
    known = [
        found
        for _, found in sample_images(round_, True, effort, drawn, only=round_.labelled)
        if found is not None
    ]
    if not known:
        return {}
    features = [each.features[: effort.scored] for each in known]
    classes = [each.classes[: effort.scored] for each in known]
    counts = [each.counts for each in known]
    trust: dict[str, float] = {}
    found = (
        each for _, each in sample_images(round_, True, effort, drawn, only=sorted(drawn)) if each is not None
    )
    while images := list(islice(found, TOGETHER)):
        dice = score(train_on_images(round_, images), features, classes, counts)
        trust |= {each.image: float(best) for each, best in zip(images, dice.max(axis=1), strict=True)}
        round_.on_progress("Networks on single images", len(trust), len(drawn))
    return trust


def draw_unlabelled(round_: Round) -> frozenset[str]:
    """The unlabelled images that get a network: all, or MOST_NETWORKS drawn at random."""
    drawn = np.random.default_rng([round_.seed, STREAM]).permutation(round_.unlabelled)[:MOST_NETWORKS]
    return frozenset(str(each) for each in drawn)


def spread_trust(seen: Appearance, known: Mapping[str, float]) -> npt.NDArray[np.float32]:
    """The trust of all images seen, float32 (n,): that which is known, and the mean of the NEIGHBOURS images
    that look most like them for the others; 0 where none is known."""
    spread = np.zeros(len(seen.ids), dtype=np.float32)
    having = [place for place, identity in enumerate(seen.ids) if identity in known]
    if not having:
        return spread
    spread[having] = [known[seen.ids[place]] for place in having]
    lacking = np.array([place for place, identity in enumerate(seen.ids) if identity not in known], np.intp)
    vectors = normalise(standardise(seen.vectors))
    few = min(NEIGHBOURS, len(having))
    for first in range(0, len(lacking), BLOCK):
        part = lacking[first : first + BLOCK]
        distances = np.round(squared_distances(vectors[part], vectors[having]), 5)
        nearest = np.argsort(distances, axis=1, kind="stable")[:, :few]
        spread[part] = spread[having][nearest].mean(axis=1)
    return spread
