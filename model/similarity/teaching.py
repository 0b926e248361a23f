"""What the labelled images teach about all others, and the next ones would: a forecast for strategies that
compare no images to choose.

It is d (Eq. 2) of the networks of labelled images alone, one way, times likeness. Of four ways that were
tried on recorded experiments it is the cheapest that is a dice and fulfils the plan's rule; it tells little
more than the number of labels does (docs/experiments/behind.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from model.similarity.appearance import Appearance
from model.similarity.likeness import likeness_of
from model.similarity.pixel_similarity import (
    STREAM,
    TOGETHER,
    Effort,
    SampledImage,
    sample_images,
    score,
    train_on_images,
)
from model.similarity.round import Round

FORESEEN = 20
"""Places of an order whose labels are foreseen; later ones follow other labels anyway."""
MOST_LABELLED = 100
"""Labelled images that get a network, drawn at random; each network is scored on all images."""
MOST_JUDGED = 1000
"""Images that the mean is over; of a larger pool so many are drawn at random."""
EFFORT = Effort(1000, 300)
"""Pixels of each image: a second beside an order that takes less, and enough for a mean over images."""
BLOCK = 256
"""Images scored at once; bounds the memory."""


@dataclass(frozen=True)
class Expectation:
    """The dice that is expected of each image judged, by id, as the best labelled image teaches it.

    before, after: its mean over them, now and once the first, the second, ... of the order is labelled too.
    """

    now: dict[str, float]
    before: float
    after: list[float]


def expect(round_: Round, seen: Appearance, order: Sequence[str]) -> Expectation | None:
    """What the labels of a round teach, and those of up to FORESEEN images of an order.
    None where no labelled image shows anything to learn from."""
    random = np.random.default_rng([round_.seed, STREAM])
    labelled = sorted(str(each) for each in random.permutation(round_.labelled)[:MOST_LABELLED])
    readable = set(seen.ids)
    teachers = [each for each in (*labelled, *order[:FORESEEN]) if each in readable]
    judged = sorted(str(each) for each in random.permutation(seen.ids)[:MOST_JUDGED])
    dice = _score_teachers(round_, judged, teachers)
    count = sum(each in round_.labels for each in teachers)
    if not dice[:count].any():
        return None
    alike = likeness_of(seen.vectors)(np.array(seen.positions_of(teachers), dtype=np.intp))
    known = dice * alike[:, seen.positions_of(judged)]
    known[np.array(teachers)[:, None] == np.array(judged)] = 1.0
    level = known[:count].max(axis=0)
    level[np.isin(judged, round_.labelled)] = 1.0
    now = {identity: float(each) for identity, each in zip(judged, level, strict=True)}
    steps = np.maximum(np.maximum.accumulate(known[count:], axis=0), level).mean(axis=1)
    return Expectation(now, float(level.mean()), [float(each) for each in steps])


def _score_teachers(round_: Round, judged: Sequence[str], teachers: Sequence[str]) -> npt.NDArray[np.float32]:
    """Dice of the network of each teacher on each image judged, float32 (K, n); 0 where one of the two shows
    nothing."""
    drawn = frozenset(teachers)
    taught = (each for _, each in sample_images(round_, True, EFFORT, drawn, only=sorted(drawn)))
    rows = {identity: row for row, identity in enumerate(teachers)}
    columns = {identity: column for column, identity in enumerate(judged)}
    found = np.zeros((len(rows), len(columns)), dtype=np.float32)
    networks = [
        ([rows[each.image] for each in block], train_on_images(round_, block))
        for block in _blocks(taught, TOGETHER)
    ]
    sampled = (each for _, each in sample_images(round_, True, EFFORT, drawn, only=judged))
    for block in _blocks(sampled, BLOCK):
        own = [columns[each.image] for each in block]
        features = [each.features[: EFFORT.scored] for each in block]
        classes = [each.classes[: EFFORT.scored] for each in block]
        counts = [each.counts for each in block]
        for trained, network in networks:
            found[np.ix_(trained, own)] = score(network, features, classes, counts)
    return found


def _blocks(found: Iterator[SampledImage | None], size: int) -> Iterator[list[SampledImage]]:
    """Those that show something, so many at a time."""
    shown = (each for each in found if each is not None)
    while block := list(islice(shown, size)):
        yield block
