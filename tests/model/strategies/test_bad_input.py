"""Every strategy where images and labels are not as they should be: a sensible order, or what to do."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest

from model.errors import ModelError, NothingFoundError
from model.network.recipe import Recipe
from model.similarity.learner import PIXEL
from model.similarity.round import Round
from model.strategies import get_strategy, strategy_names
from tests.model.conftest import blobs
from tests.model.unreadable_images import UnreadableImages

pytestmark = pytest.mark.usefixtures("brief_training")


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what pixels look like is kept for all rounds here."""
    return tmp_path_factory.mktemp("features")


def make_round(
    names: str, labelled: str, folder: Path, features: Path, *, cut: Collection[str] = ()
) -> Round:
    """A round of 48 pixels by pixel classifiers. An image's look goes by its letter: "aab" has twins;
    capitals among `labelled` have an empty mask."""
    ids = [f"{place}{letter}" for place, letter in enumerate(names)]
    pairs = {identity: blobs(ord(identity[-1]), bright=identity[-1] != "d") for identity in ids}
    labels = {}
    for letter in labelled:
        identity = next(each for each in ids if each[-1] == letter.lower() and each not in labels)
        labels[identity] = pairs[identity][1] * np.uint8(letter.islower())
    images = UnreadableImages({identity: image for identity, (image, _) in pairs.items()}, cut)
    digests = {identity: f"{identity[-1]}{identity if identity in cut else ''}" for identity in ids}
    return Round(
        images,
        labels,
        2,
        Recipe(max_side=48),
        3,
        folder,
        learns_by=PIXEL,
        feature_folder=features,
        image_digests=digests,
    )


@pytest.mark.parametrize("name", strategy_names())
def test_one_label_twins_an_unreadable_image_and_a_budget_of_all(
    name: str, tmp_path: Path, features: Path
) -> None:
    """All images have a place, the unreadable one the last where the strategy looks at images."""
    round_ = make_round("abcdddef", "a", tmp_path, features, cut={"2c"})
    ranking = get_strategy(name).rank(round_, 7)
    assert sorted(ranking.order) == list(round_.unlabelled)
    assert ranking.batch == ranking.order
    if name != "random":
        assert ranking.order[-1] == "2c"
        assert round_.failed == {"2c": "2c is cut off."}


@pytest.mark.parametrize("name", strategy_names())
@pytest.mark.parametrize(
    ("names", "labelled", "cut"),
    [("aaaaa", "aa", ""), ("abcdef", "ABC", ""), ("abcdef", "aB", "0a")],
    ids=["all alike", "nothing marked", "the only mask cannot be read"],
)
def test_where_nothing_can_be_told_there_is_an_order_or_what_to_do(
    name: str, names: str, labelled: str, cut: str, tmp_path: Path, features: Path
) -> None:
    round_ = make_round(names, labelled, tmp_path, features, cut={cut})
    try:
        ranking = get_strategy(name).rank(round_, 2)
    except NothingFoundError:
        pass
    else:
        assert sorted(ranking.order) == list(round_.unlabelled)
        assert all(query.reason for query in ranking.queries)


@pytest.mark.parametrize("name", sorted({*strategy_names()} - {"random"}))
@pytest.mark.parametrize("which", ["labelled", "unlabelled", "all"])
def test_where_none_can_be_read_that_is_said(name: str, which: str, tmp_path: Path, features: Path) -> None:
    """Or there is an order without them, where the strategy needs none of them."""
    cut = {"labelled": ["0a", "1b"], "unlabelled": ["2c", "3e", "4f"], "all": ["0a", "1b", "2c", "3e", "4f"]}
    round_ = make_round("abcef", "ab", tmp_path, features, cut=cut[which])
    said = ""
    try:
        ranking = get_strategy(name).rank(round_, 2)
    except ModelError as error:
        said = str(error)
    assert "cut off" in said or sorted(ranking.order) == list(round_.unlabelled)
