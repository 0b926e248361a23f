"""Random choice by how much of an image the model marks."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np

from model.reason import Kind, Reason
from model.similarity.learner import PIXEL
from model.similarity.round import Round
from model.strategies import get_strategy


def test_an_image_comes_as_often_first_as_the_model_marks_much_of_it(trained_round: Round) -> None:
    """The same under the same seed; each image in proportion to its share of foreground."""
    strategy = get_strategy("random_foreground")
    outputs = list(trained_round.learner.outputs("", [trained_round.model], trained_round.unlabelled))
    firsts: Counter[str] = Counter()
    for seed in range(400):
        round_ = dataclasses.replace(trained_round, seed=seed)
        round_.__dict__["learner"] = Known(outputs)
        ranking = strategy.rank(round_, 2)
        firsts[ranking.order[0]] += 1
    assert strategy.rank(round_, 2).order == ranking.order
    shares = {identity: float((found[0].argmax(axis=0) > 0).mean()) for identity, found in outputs}
    for identity, share in shares.items():
        assert abs(firsts[identity] / 400 - share / sum(shares.values())) < 0.08
    first = ranking.queries[0].reason
    assert first == Reason(Kind.RANDOM, value=shares[ranking.order[0]])


class Known:
    """A learner whose outputs are known already."""

    def __init__(self, outputs: list[tuple[str, np.ndarray]]) -> None:
        self.model = None
        self._outputs = outputs

    def outputs(self, *_: object) -> list[tuple[str, np.ndarray]]:
        """As they are."""
        return self._outputs


def test_where_nothing_is_found_the_order_is_random_and_says_so(trained_round: Round) -> None:
    """Labels without foreground: the model marks nothing anywhere."""
    labels = {identity: np.zeros((48, 48), np.uint8) for identity in trained_round.labelled}
    round_ = dataclasses.replace(trained_round, labels=labels, learns_by=PIXEL)
    ranking = get_strategy("random_foreground").rank(round_, 2)
    assert sorted(ranking.order) == list(round_.unlabelled)
    assert ranking.order != round_.unlabelled
    assert {query.reason for query in ranking.queries} == {Reason(Kind.EMPTY)}
