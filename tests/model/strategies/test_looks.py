"""The order by looks, before there are labels."""

from __future__ import annotations

import numpy as np

from model.data.images import normalise
from model.reason import Kind, Reason
from model.similarity.round import Round
from model.strategies import get_strategy
from model.strategies.looks import order_by_looks, statistics


def appearance(kind: int, seed: int) -> np.ndarray:
    """One of three looks: fine noise, coarse blobs, stripes; float32 (64, 64, 3)."""
    random = np.random.default_rng(seed)
    if kind == 0:
        values = random.normal(0, 1, (64, 64))
    elif kind == 1:
        values = np.kron(random.normal(0, 1, (16, 16)), np.ones((4, 4))) + random.normal(0, 0.1, (64, 64))
    else:
        values = np.sin(np.arange(64) / 2)[None, :] + random.normal(0, 0.1, (64, 64))
    return normalise(values.astype(np.float32))


def test_each_appearance_comes_early() -> None:
    """Of 30 images of which two look different, the first three show all three looks;
    random order rarely does."""
    images = {str(number): appearance(0, number) for number in range(28)}
    images |= {"28": appearance(1, 28), "29": appearance(2, 29)}
    order = order_by_looks(images, [])
    assert {"28", "29"} < set(order[:3])
    assert sorted(order, key=int) == [str(number) for number in range(30)]


def test_what_is_labelled_is_known_already() -> None:
    """The first image is unlike the labelled ones, and these are not asked for again."""
    images = {str(number): appearance(number % 3, number) for number in range(9)}
    order = order_by_looks(images, ["0", "1"])
    assert int(order[0]) % 3 == 2
    assert set(order) == set(images) - {"0", "1"}


def test_it_does_not_depend_on_the_order_of_tasks() -> None:
    """Same images, same order; also with equal images, and with none."""
    images = {str(number): appearance(0, number) for number in range(6)} | {"6": appearance(0, 0)}
    backwards = dict(reversed(images.items()))
    assert order_by_looks(images, []) == order_by_looks(backwards, [])
    assert order_by_looks({}, []) == []
    assert order_by_looks({"1": appearance(0, 1)}, ["1"]) == []


def test_statistics_of_tiny_images_are_finite() -> None:
    """Images may be smaller than the largest scale."""
    assert np.isfinite(statistics(np.zeros((4, 4, 3), dtype=np.float32))).all()


def test_the_strategy_gives_the_same_order(trained_round: Round) -> None:
    """Labelled images are left out; the reason is told."""
    ranking = get_strategy("looks").rank(trained_round, 3)
    assert list(ranking.order) == order_by_looks(trained_round.images, trained_round.labelled)
    assert {query.reason for query in ranking.queries} == {Reason(Kind.LOOKS)}
    assert ranking.batch == ranking.order[:3]
